"""Which sessions `kaboom coverage` shows."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from kaboom.cli.exits import Exit
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.source import derived_source
from kaboom.market_data.cli.coverage import command_for_gaps, pick_sessions
from tests.fixtures.cli import Kaboom

FIRST = date(2025, 1, 6)


def judged(*verdicts: str) -> Any:
    days = [FIRST + timedelta(days=n) for n in range(len(verdicts))]
    frame = pl.DataFrame({"session": days, "verdict": verdicts})
    return SimpleNamespace(sessions=lambda: frame)


def test_equal_lines_of_complete_sessions_are_left_out() -> None:
    found = judged(*["complete"] * 30, "gaps", *["complete"] * 20)
    assert pick_sessions(found)["session"].to_list() == [FIRST + timedelta(days=n) for n in (30, 46, 47, 48, 49, 50)]


def test_of_many_sessions_the_newest_sixty_are_looked_at() -> None:
    assert pick_sessions(judged(*["degraded"] * 100))["session"].to_list()[0] == FIRST + timedelta(days=40)
    assert pick_sessions(judged("complete", "gaps")).height == 2


@pytest.mark.parametrize(("market", "said"), [("INDEX", "--wait --market INDEX\n"), ("", "--wait\n")])
def test_without_bars_the_ingest_of_the_market_is_proposed(kaboom: Kaboom, market: str, said: str) -> None:
    done = kaboom("coverage", *(("--market", market) if market else ()))
    assert (done.code, done.err.endswith(f"ingest some: kaboom ingest run-daily {said}")) == (Exit.NOT_FOUND, True)


def test_without_bars_the_ingest_of_the_interval_asked_for_is_proposed(kaboom: Kaboom) -> None:
    assert kaboom("coverage", "--interval", "5m").err.endswith("run-daily --wait --interval 5m\n")


_BACKFILL = "ingest backfill --wait --interval 5m --from 2025-01-06 --to 2025-01-09 --provider synthetic"
_ROLL_UP = "market-data roll-up --wait --interval 5m=4 --session 2025-01-09 --provider synthetic"


@pytest.mark.parametrize(
    ("source", "market", "command"),
    [
        ("synthetic", None, f"{_BACKFILL} --symbol 1301"),
        ("synthetic", "TSE_PRIME", f"{_BACKFILL} --market TSE_PRIME"),
        (derived_source("synthetic"), "TSE_PRIME", f"{_ROLL_UP} --symbol 1301"),
    ],
)
def test_the_proposed_command_spans_all_gaps(source: str, market: str | None, command: str) -> None:
    days = [FIRST, FIRST + timedelta(days=1), FIRST + timedelta(days=3)]
    cells = pl.DataFrame(
        {"symbol": ["1301"] * 4, "session": [*days, days[-1]], "state": ["missing", "lost", "missing", "complete"]}
    )
    found: Any = SimpleNamespace(cells=cells, series=BarSeries(source, Interval.M5))
    assert command_for_gaps(found, market) == f"kaboom {command}"
