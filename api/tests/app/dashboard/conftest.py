"""The API with its dashboard, and a browser that has logged in."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.apps import memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of


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
