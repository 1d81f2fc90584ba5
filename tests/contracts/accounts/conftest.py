"""The account stores and audit logs that the contract tests run on; each test has owners of its own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kaboom.accounts.model import AccountStore
from kaboom.accounts.postgres import PostgresAccountStore
from kaboom.accounts.store import MemoryAccountStore
from kaboom.audit.log import AuditLog, MemoryAuditLog
from kaboom.audit.postgres import PostgresAuditLog
from kaboom.drivers.postgres.engine import connect_postgres


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
