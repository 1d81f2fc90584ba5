"""An API with an empty portfolio, and a client of it."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

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
