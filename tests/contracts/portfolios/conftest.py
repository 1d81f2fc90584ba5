"""The portfolio stores that the contract tests run on; each test has an owner of its own."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.portfolio.model import PortfolioStore
from kaboom.portfolio.postgres import PostgresPortfolioStore
from kaboom.portfolio.store import MemoryPortfolioStore


@pytest.fixture(params=["memory", "postgres"])
async def portfolios(request: pytest.FixtureRequest) -> AsyncIterator[PortfolioStore]:
    """A portfolio store."""
    if request.param == "memory":
        yield MemoryPortfolioStore()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    yield PostgresPortfolioStore(engine)
    await engine.dispose()


@pytest.fixture
def owner() -> str:
    """An owner that no other test has."""
    return f"team-{uuid4().hex[:8]}"
