"""A backtest from stored bars to its files, and a sweep of many; jobs and the command line run them."""
