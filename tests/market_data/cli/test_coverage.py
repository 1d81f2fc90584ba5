"""Which sessions `kaboom coverage` shows."""

from datetime import date, timedelta
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from kaboom.cli.exits import Exit
from kaboom.market_data.cli.coverage import pick_sessions
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
