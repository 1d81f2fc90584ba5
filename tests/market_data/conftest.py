"""An API over a page store that holds bars of two providers."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day
from tests.fixtures.jobs.apps import client_of, memory_settings, running

SESSIONS = (date(2025, 10, 31), date(2025, 11, 4), date(2025, 11, 5))
SYMBOLS = ("285A", "6758", "7203")
OWN_FILES = BarSeries("file", Interval.D1)


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[BarStore]:
    """The store of the API: three sessions of three symbols made up, and one symbol of the user's own files."""
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    for seed, session in enumerate(SESSIONS):
        await store.write(MINUTES, full_day(SYMBOLS, session, seed))
        await store.write(DAILY, frame(*(bar(symbol, at(session), 100.0 + seed) for symbol in SYMBOLS)))
    await store.write(OWN_FILES, frame(bar("^N225", at(SESSIONS[1]), 51000.5, flags=9)))
    yield store
    await store.close()


@pytest.fixture
async def market_app(store: BarStore, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The API on that store."""
    async with running(memory_settings(tmp_path, bar_store="pages")) as app:
        yield app


@pytest.fixture
async def market(market_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it, with the token."""
    async with client_of(market_app) as client:
        yield client
