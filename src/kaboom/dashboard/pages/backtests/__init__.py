"""The pages of backtests: the list, the forms, one backtest with its report, and runs side by side."""
