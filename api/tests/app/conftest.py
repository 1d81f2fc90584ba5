"""The API that the HTTP tests call."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from batch.kit.redis.client import connect_redis
from tests.fixtures.jobs.apps import client_of, memory_settings, real_settings, running


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory, and workers in its process."""
    async with running(memory_settings(tmp_path)) as app:
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it, with the token."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def real_app(redis_url: str, database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on an empty Redis and an empty ledger; no worker takes what it queues."""
    redis = connect_redis(redis_url, client_name="test")
    await redis.flushdb()
    await redis.aclose()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys, webhook_deliveries, schedules CASCADE")
    async with running(real_settings(redis_url, database_url, tmp_path)) as app:
        yield app


@pytest.fixture
async def real_http(real_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it, with the token."""
    async with client_of(real_app) as client:
        yield client
