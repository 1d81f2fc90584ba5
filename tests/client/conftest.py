"""A running Kaboom with a few bars, and a client of it."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import polars as pl
import pytest

import kaboom
from kaboom.drivers.clock import utc_now
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.stacks import Api, serving

SYMBOLS = ("6758", "7203")
START = utc_now().date() - timedelta(days=60)


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API that runs its jobs itself."""
    with serving(tmp_path_factory.mktemp("client") / "data") as api:
        yield api


@pytest.fixture(scope="session")
def kb(server: Api) -> kaboom.Kaboom:
    """A client of it; three months of daily bars of two symbols are held."""
    found = kaboom.connect(server.url, TOKEN)
    found.submit("ingest.run_daily", intervals={"1d": 70}, symbols=list(SYMBOLS)).wait(timeout_s=120)
    return found


@pytest.fixture
def folder(server: Api, kb: kaboom.Kaboom, monkeypatch: pytest.MonkeyPatch) -> kaboom.Kaboom:
    """The data folder of that server, read without it."""
    monkeypatch.delenv("KABOOM_API_URL", raising=False)
    return kaboom.connect(data_dir=server.data_dir)


@pytest.fixture
def mirror(kb: kaboom.Kaboom, tmp_path: Path) -> kaboom.Kaboom:
    """A mirror of its bars since `START`."""
    path = tmp_path / "synthetic" / "1d" / "2026.parquet"
    path.parent.mkdir(parents=True)
    held = kb.bars(SYMBOLS, "1d", START, adjusted=False).drop("date")
    held.with_columns(provider=pl.lit("synthetic")).write_parquet(path)
    return kaboom.connect(mirror=tmp_path)
