"""What the pages of backtests draw and ask: curves, candles, tables of numbers, and the fields of their forms."""
