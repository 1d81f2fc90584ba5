"""Technical indicators: their table, their formulas, and computing them over bars."""
