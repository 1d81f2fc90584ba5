"""The shapes of the pages of backtests: curves, candles, tables of numbers, and the fields of forms."""
