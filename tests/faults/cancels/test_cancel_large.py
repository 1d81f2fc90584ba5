"""A job on many bars is stopped in the middle of a file or of a slice, within a second (row 40)."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kaboom.bars.pages.store import PageBarStore
from kaboom.market.calendar import sessions_between
from tests.faults.lab.lab import Lab, Size, wait_quiet
from tests.faults.lab.measure import Measures
from tests.fixtures.bars.stored_bars import MINUTES, full_day
from tests.fixtures.servers.stacks import until

SYMBOLS = [str(1301 + n) for n in range(500)]
#: One month of 500 symbols, which is one file: 3 million bars.
DAYS = sessions_between(date(2025, 6, 2), date(2025, 6, 27))
MIRROR = "/api/v1/market-data/mirror"
ROLL_UP = "/api/v1/market-data/roll-up"
LONGER = {"intervals": dict.fromkeys(("5m", "15m", "1h", "1d"), len(DAYS)), "session": DAYS[-1].isoformat()}


@pytest.fixture(scope="module")
def size() -> Size:
    """Slices as in production, and one chunk of all symbols."""
    return Size(slice_symbols=100, slots=1)


@pytest.fixture(autouse=True, scope="module")
def minutes(running_lab: Lab) -> None:
    """Hold a month of minutes."""

    async def write(root: Path) -> None:
        store = PageBarStore(root)
        for seed, day in enumerate(DAYS):
            await store.write(MINUTES, full_day(SYMBOLS, day, seed))
        await store.close()

    asyncio.run(write(running_lab.data_dir / "bars"))


def drafts(lab: Lab) -> list[Path]:
    return [path for path in (lab.data_dir / "mirror").rglob("*") if path.parent.name.startswith(".")]


def rolled(lab: Lab) -> list[Path]:
    return list((lab.data_dir / "bars").glob("synthetic_from_1m/1h/*.sqlite"))


@dataclass(frozen=True)
class Moment:
    """A moment in a job: what was asked for, and whether it has come."""

    name: str
    path: str
    body: dict[str, Any]
    has_come: Callable[[Lab], bool]


IN_CI = [
    Moment("a mirror writes CSV", MIRROR, {"format": "csv"}, lambda lab: any(p.name == "whole" for p in drafts(lab))),
    Moment("a roll-up is in its first slice", ROLL_UP, LONGER, lambda lab: bool(rolled(lab))),
]
OTHERS = [
    Moment("a mirror writes Parquet", MIRROR, {}, lambda lab: any(p.name == "whole" for p in drafts(lab))),
]
MOMENTS = [
    *(pytest.param(moment, id=moment.name) for moment in IN_CI),
    *(pytest.param(moment, id=moment.name, marks=pytest.mark.full) for moment in OTHERS),
]


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_large_job_is_stopped_within_a_second(lab: Lab, moment: Moment, measure: Measures) -> None:
    job_id = lab.caller.submit(moment.body, ends=["cancelled"], path=moment.path)
    until(lambda: moment.has_come(lab), bool, within_s=60, every_s=0.01)
    took_s = lab.caller.stop(job_id, within_s=1.0)
    wait_quiet(lab)
    progress = lab.caller.job(job_id)["progress"]
    assert progress["done"] < progress["total"] == progress["done"] + progress["cancelled"]
    assert drafts(lab) == []
    measure.note(40, f"a cancel while {moment.name}", took_s=took_s)


@pytest.mark.full
def test_uncancelled_the_mirror_takes_long_and_is_whole(lab: Lab, measure: Measures) -> None:
    begun_at = time.monotonic()
    job = lab.caller.wait(lab.caller.submit({"format": "csv"}, path=MIRROR), within_s=120)
    took_s = time.monotonic() - begun_at
    assert job["status"] == "completed"
    (file,) = (lab.data_dir / "mirror" / "synthetic" / "1m").glob("*.csv")
    with file.open("rb") as lines:
        assert sum(1 for _ in lines) == 1 + 327 * len(SYMBOLS) * len(DAYS)
    measure.note(40, "the same mirror, not cancelled", took_s=took_s)
