"""The account stores that the contract tests run on."""

from collections.abc import AsyncIterator

import pytest

from kaboom.accounts.model import AccountStore
from kaboom.accounts.postgres import PostgresAccountStore
from kaboom.accounts.store import MemoryAccountStore
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
