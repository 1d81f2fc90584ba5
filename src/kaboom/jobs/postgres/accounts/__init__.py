"""Accounts in the ledger: users, tokens, browser sessions and the audit log; in PostgreSQL and in memory."""
