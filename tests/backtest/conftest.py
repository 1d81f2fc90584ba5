"""An API whose store holds daily bars of three symbols, and the workers in its process."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from kaboom.bars.open import build_bar_store
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.jobs.apps import client_of, memory_settings, running


@pytest.fixture
async def tested(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of the API, with the token."""
    settings = memory_settings(tmp_path, bar_store="pages", strategies_dir=tmp_path / "strategies")
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings) as app, client_of(app) as client:
        yield client
    await store.close()
