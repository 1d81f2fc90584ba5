"""The main job from request to stored bars: as a function, and as a program."""

import asyncio
import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.domain_settings import BatchSettings
from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import plan_ingest, run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome
from tests.fixtures.repo.repository import ROOT

SESSION = date(2026, 10, 30)
REQUEST = {"intervals": {"1m": 2, "1d": 5}, "symbols": ["7203", "6758", "9984"], "session": SESSION.isoformat()}


async def stored(data_dir: Path) -> list[pl.DataFrame]:
    """Return every bar that a data folder holds."""
    store, frames = PageBarStore(BatchSettings(data_dir=data_dir).bars_dir), []
    for interval in (Interval.M1, Interval.D1):
        coverage = await store.coverage(BarSeries("synthetic", interval), first=date(2026, 1, 1), last=SESSION)
        days = coverage["session"].unique().sort()
        frames += [await store.read_session(BarSeries("synthetic", interval), day) for day in days]
    assert (await store.verify()).faults == ()
    await store.close()
    return frames


def run_program(data_dir: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "api"), "KABOOM_DATA_DIR": str(data_dir)}
    argv = [sys.executable, "-m", "batch.scripts.run_daily_ingest", *arguments]
    return subprocess.run(argv, cwd=data_dir, env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_twice_leaves_exactly_the_same_rows(tmp_path: Path) -> None:
    async def twice() -> None:
        settings = BatchSettings(data_dir=tmp_path)
        reports, kept = [], []
        for _ in range(2):
            reports.append(await run_daily_ingest(IngestRequest.parse(REQUEST), settings=settings))
            kept.append(await stored(tmp_path))
        first, second = reports
        assert first == second
        assert first.by_outcome() == dict.fromkeys(Outcome, 0) | {Outcome.OK: 6}
        assert sum(len(frame) for frame in kept[0]) == first.rows > 300
        assert all(one.equals(other) for one, other in zip(*kept, strict=True))

    asyncio.run(twice())


def test_a_plan_has_chunks_for_every_slot_and_stores_nothing(tmp_path: Path) -> None:
    settings = BatchSettings(data_dir=tmp_path)
    request = IngestRequest.parse({"intervals": {"1m": 1}, "session": SESSION.isoformat()})
    plan = asyncio.run(plan_ingest(request, settings=settings, slots=4))
    assert (plan.session, plan.provider, len(plan.chunks) % 4) == (SESSION, "synthetic", 0)
    assert not (tmp_path / "bars").exists()


def test_invalid_plans_are_rejected(tmp_path: Path) -> None:
    request = IngestRequest.parse(REQUEST | {"session": "2026-10-31"})
    with pytest.raises(InvalidRequest, match="not a trading day"):
        asyncio.run(run_daily_ingest(request, settings=BatchSettings(data_dir=tmp_path)))


def test_the_program_stores_bars_and_prints_its_report(tmp_path: Path) -> None:
    done = run_program(tmp_path, json.dumps(REQUEST))
    assert (done.returncode, done.stderr) == (0, "")
    answer = json.loads(done.stdout)
    assert answer["outcomes"]["ok"] == 6
    assert set(answer["outcomes"]) == {outcome.value for outcome in Outcome}
    assert answer["rows"] == sum(len(frame) for frame in asyncio.run(stored(tmp_path)))


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("{", "unexpected end of data"),
        ("[]", "request was [], expected a JSON object"),
        ({"intervals": {"7m": 1}}, "interval was '7m', supported are 1m, 5m, 15m, 1h, 1d"),
    ],
)
def test_the_program_says_what_is_wrong(tmp_path: Path, argument: Any, message: str) -> None:
    done = run_program(tmp_path, argument if isinstance(argument, str) else json.dumps(argument))
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert "Traceback" not in done.stderr
