"""The report of a backtest: one HTML file, in English and Japanese, that asks no server for anything."""
