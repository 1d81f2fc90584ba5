"""Stopping each kind of job on bars that are held, while it is queued and while it runs (row 20)."""

import asyncio
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.lab import Lab, Size, wait_quiet
from tests.faults.lab.measure import Measures
from tests.fixtures.bars.kept_bars import kept_bars
from tests.fixtures.bars.stored_bars import MINUTES, full_day

#: A session in each of twelve months: a mirror writes a file for each, and a compaction goes through as many.
DAYS = [last_sessions(1, date(2025, month, 28))[0] for month in range(1, 13)]
SYMBOLS = list(load_universe(Market.TSE_PRIME, DAYS[0]).symbols[:12])
ONE_SESSION = {"symbols": SYMBOLS, "session": DAYS[-1].isoformat()}
DROP_ALL = {"keep_days": {"1m": 1}}


def rows_of(lab: Lab, series: BarSeries) -> pl.DataFrame:
    """Return the bars of a series that are held."""
    return kept_bars(lab.data_dir).get(series, pl.DataFrame(schema={"symbol": pl.String()}))


def files_in(lab: Lab, folder: str) -> int:
    return sum(1 for _ in (lab.data_dir / folder).rglob("*.parquet"))


@dataclass(frozen=True)
class Kind:
    """A kind of job: its request, and what can be seen of the items that it says it has settled.

    `seen` returns a number from the world, and `said` the same one from the job.
    """

    name: str
    body: Mapping[str, Any]
    seen: Callable[[Lab], int]
    said: Callable[[Mapping[str, Any]], int] = lambda job: job["progress"]["done"]

    @property
    def path(self) -> str:
        """Where it is submitted."""
        return f"/api/v1/market-data/{self.name}"


KINDS = [
    Kind(
        "roll-up",
        {"intervals": {"5m": 1}, **ONE_SESSION},
        lambda lab: rows_of(lab, BarSeries("synthetic_from_1m", Interval.M5))["symbol"].n_unique(),
    ),
    Kind("mirror", {"months": 12}, lambda lab: files_in(lab, "mirror")),
    Kind(
        "indicators",
        {"indicators": ["sma:5"], "interval": "1m", "sessions": 1, **ONE_SESSION},
        lambda lab: files_in(lab, "indicators"),
    ),
    Kind(
        "compact",
        DROP_ALL,
        lambda lab: len(DAYS) * 327 * len(SYMBOLS) - rows_of(lab, MINUTES).height,
        lambda job: job["result"]["counts"]["bars_dropped"],
    ),
    Kind(
        "refresh-quotes",
        {"interval": "15m", "symbols": SYMBOLS},
        lambda lab: rows_of(lab, BarSeries("synthetic", Interval.M15)).height,
        lambda job: job["progress"]["rows"],
    ),
]
every_kind = pytest.mark.parametrize("kind", KINDS, ids=[kind.name for kind in KINDS])


@pytest.fixture(scope="module")
def size() -> Size:
    """One chunk of all items of a small job."""
    return Size(chunk_bars=100_000)


@pytest.fixture(autouse=True)
def minutes(lab: Lab) -> None:
    """Hold minutes of each of twelve months, whatever another test dropped."""
    asyncio.run(_write(lab.data_dir / "bars"))


async def _write(root: Path) -> None:
    store = PageBarStore(root)
    await store.write(MINUTES, pl.concat([full_day(SYMBOLS, day) for day in DAYS]).sort("symbol", "opened_at"))
    await store.close()


@every_kind
def test_a_queued_job_does_nothing(lab: Lab, kind: Kind) -> None:
    before = kind.seen(lab)
    lab.worker.freeze()
    job_id = lab.caller.submit(kind.body, ends=["cancelled"], path=kind.path)
    lab.caller.stop(job_id)
    lab.worker.thaw()
    wait_quiet(lab)
    job = lab.caller.job(job_id)
    assert (job["status"], job["progress"]["done"], job["result"]) == ("cancelled", 0, None)
    assert kind.seen(lab) == before


@every_kind
def test_a_running_job_stops_and_counts_what_it_did(lab: Lab, kind: Kind, measure: Measures) -> None:
    # Files of an earlier run of a mirror stay for a while.
    shutil.rmtree(lab.data_dir / "mirror", ignore_errors=True)
    lab.plan(item_pace_s=0.3, pace_s=0.3)
    job_id = lab.caller.submit(kind.body, ends=["cancelled"], path=kind.path)
    wait_in_chunk(lab, job_id, queue="market_data")
    took_s = lab.caller.stop(job_id)
    wait_quiet(lab)
    job = lab.caller.job(job_id)
    progress = job["progress"]
    assert 0 < progress["done"] < progress["total"] == progress["done"] + progress["cancelled"]
    assert progress["failed"] == 0
    assert kind.seen(lab) == kind.said(job)
    measure.note(20, f"a running {kind.name} job is cancelled", took_s=took_s)


def test_what_a_stopped_compaction_left_is_sound_and_goes_with_the_next_one(lab: Lab) -> None:
    lab.plan(item_pace_s=0.3)
    job_id = lab.caller.submit(DROP_ALL, ends=["cancelled"], path="/api/v1/market-data/compact")
    wait_in_chunk(lab, job_id, queue="market_data", settled=2)
    lab.caller.stop(job_id)
    wait_quiet(lab)
    held = rows_of(lab, MINUTES)
    # Whole months are gone, the oldest first, and of the others nothing.
    months = held["opened_at"].dt.month().unique().sort().to_list()
    assert months == list(range(months[0], 13))
    assert months[0] > 2
    assert held.height == len(months) * 327 * len(SYMBOLS)
    assert lab.doctor()["bar store"] == "ok"
    lab.plan()
    job = lab.caller.wait(lab.caller.submit(DROP_ALL, path="/api/v1/market-data/compact"))
    assert job["result"]["counts"]["bars_dropped"] == held.height
    assert rows_of(lab, MINUTES).is_empty()
