"""The API with its dashboard, and a browser that has logged in."""

from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from kaboom.drivers.redis.client import connect_redis
from kaboom.market.calendar import closes_at
from tests.fixtures.jobs.apps import memory_settings, real_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of


@pytest.fixture
def judge_in_the_evening(monkeypatch: pytest.MonkeyPatch) -> Callable[[date], None]:
    """A function that has the API judge coverage in the evening of a session, whatever the hour is."""

    def judge(session: date) -> None:
        evening = closes_at(session) + timedelta(hours=4)
        monkeypatch.setattr("kaboom.market_data.opening.utc_now", lambda: evening)

    return judge


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory, workers in its process, and viewers by cookie."""
    async with running(memory_settings(tmp_path), authenticators=[VIEWERS]) as app:
        yield app


@pytest.fixture
async def browser(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of a viewer who reads English."""
    async with browser_of(app) as browser:
        yield browser


@pytest.fixture
async def real_app(redis_url: str, database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on an empty Redis and an empty ledger; no worker takes what it queues."""
    redis = connect_redis(redis_url, client_name="test")
    await redis.flushdb()
    await redis.aclose()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, webhook_deliveries CASCADE")
    async with running(real_settings(redis_url, database_url, tmp_path), authenticators=[VIEWERS]) as app:
        yield app


@pytest.fixture
async def real_browser(real_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A browser of the real API."""
    async with browser_of(real_app) as browser:
        yield browser
