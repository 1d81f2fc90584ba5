"""Backtests as jobs: single runs and sweeps, and the files that they leave."""
