"""Paper trading: a portfolio that follows a strategy session by session, beside the backtest of it."""
