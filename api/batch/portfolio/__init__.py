"""Portfolios: trades and cash as a double-entry ledger, positions, profit and loss, and valuation; pure."""
