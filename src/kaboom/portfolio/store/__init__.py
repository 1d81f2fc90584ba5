"""Portfolios in the ledger: append-only entries and their postings; in PostgreSQL and in memory."""
