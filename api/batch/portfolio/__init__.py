"""Portfolios: trades and cash as a double-entry ledger, positions, profit and loss, and what they are worth; pure."""
