"""The audit logs that the contract tests run on."""

from collections.abc import AsyncIterator

import pytest

from kaboom.audit.log import AuditLog, MemoryAuditLog
from kaboom.audit.postgres import PostgresAuditLog
from kaboom.drivers.postgres.engine import connect_postgres


@pytest.fixture(params=["memory", "postgres"])
async def audit(request: pytest.FixtureRequest) -> AsyncIterator[AuditLog]:
    """An audit log."""
    if request.param == "memory":
        yield MemoryAuditLog()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    yield PostgresAuditLog(engine)
    await engine.dispose()
