"""The account stores and audit logs that the contract tests run on; each test has owners of its own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.jobs.postgres.accounts.memory import MemoryAccountStore
from kaboom.jobs.postgres.accounts.memory_audit import MemoryAuditLog
from kaboom.jobs.postgres.accounts.port import AccountStore, AuditLog
from kaboom.jobs.postgres.accounts.postgres import PostgresAccountStore
from kaboom.jobs.postgres.accounts.postgres_audit import PostgresAuditLog


@pytest.fixture(params=["memory", "postgres"])
async def accounts(request: pytest.FixtureRequest) -> AsyncIterator[AccountStore]:
    """An account store."""
    if request.param == "memory":
        yield MemoryAccountStore()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    yield PostgresAccountStore(engine)
    await engine.dispose()


@pytest.fixture(params=["memory", "postgres"])
async def audit(request: pytest.FixtureRequest) -> AsyncIterator[AuditLog]:
    """An audit log."""
    if request.param == "memory":
        yield MemoryAuditLog()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    yield PostgresAuditLog(engine)
    await engine.dispose()


@pytest.fixture
def owner() -> str:
    """An owner that no other test has."""
    return f"team-{uuid4().hex[:8]}"
