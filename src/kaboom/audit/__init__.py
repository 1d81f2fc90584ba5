"""The audit log: what callers changed, written in the transactions of the changes where that is possible."""
