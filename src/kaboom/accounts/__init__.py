"""Accounts: logins, browser sessions, users, tokens, and the audit log of changes."""
