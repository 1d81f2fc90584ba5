"""Backtests as jobs: single runs and sweeps, and their result files."""
