"""`kaboom backtest`: run, sweep, rerun, check and list strategies."""
