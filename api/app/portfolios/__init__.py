"""Portfolios over HTTP: trades, cash, positions, valuation, history, and CSV in and out."""
