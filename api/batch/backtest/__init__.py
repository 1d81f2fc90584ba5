"""Backtests: the fill model, its two engines, results, metrics and strategies; pure, without I/O."""
