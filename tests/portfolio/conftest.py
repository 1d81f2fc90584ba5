"""An API with an empty portfolio, a client of it, and the stores that the contract tests run on."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.portfolio.model import PortfolioStore
from kaboom.portfolio.postgres import PostgresPortfolioStore
from kaboom.portfolio.store import MemoryPortfolioStore
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.portfolio.client import Account


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """An API over a page store without bars."""
    async with running(memory_settings(tmp_path, bar_store="pages")) as app:
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client with the token."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def account(http: httpx2.AsyncClient) -> Account:
    """An empty portfolio."""
    return await Account.create(http)


@pytest.fixture(params=["memory", "postgres"])
async def portfolios(request: pytest.FixtureRequest) -> AsyncIterator[PortfolioStore]:
    """A portfolio store."""
    if request.param == "memory":
        yield MemoryPortfolioStore()
        return
    engine = connect_postgres(request.getfixturevalue("database_url"), application_name="test", pool_size=8)
    yield PostgresPortfolioStore(engine)
    await engine.dispose()
