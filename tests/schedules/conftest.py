"""The ledgers of the contract tests."""

from tests.jobs.conftest import ledger

__all__ = ["ledger"]
