"""Portfolios over HTTP: trades, cash, positions, valuation, history, CSV import and export."""
