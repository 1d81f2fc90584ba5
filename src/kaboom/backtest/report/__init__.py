"""The report of a backtest: one HTML file, in English and Japanese, that loads nothing from a server."""
