"""Answers as runs: together, they say what the single ones said."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from kaboom.bars.coverage.fetch_log import build_fetch_log, from_runs, newest_fetches, to_runs
from kaboom.bars.store import FETCH_LOG_SCHEMA
from kaboom.market.calendar import last_sessions
from tests.fixtures.bars.stored_bars import at, bar, frame

DAYS = last_sessions(40, date(2025, 11, 6))
AT = datetime(2025, 11, 6, 9, tzinfo=UTC)


def test_every_cell_has_an_answer() -> None:
    bars = frame(bar("7203", at(DAYS[0])), bar("7203", at(DAYS[0], 1)), bar("6758", at(DAYS[1])))
    told = build_fetch_log(bars, ["7203", "6758", "1301"], DAYS[:2], AT)
    assert told.schema == FETCH_LOG_SCHEMA
    assert told.select("symbol", "bars").rows() == [
        ("1301", 0),
        ("1301", 0),
        ("6758", 0),
        ("6758", 1),
        ("7203", 2),
        ("7203", 0),
    ]


def test_a_symbol_that_was_not_asked_for_has_none() -> None:
    assert build_fetch_log(frame(bar("7203", at(DAYS[0]))), ["6758"], DAYS[:1], AT)["symbol"].to_list() == ["6758"]


def test_weeks_of_the_same_answer_are_one_run() -> None:
    week = [date(2025, 11, 10) + timedelta(days=n) for n in (0, 1, 2, 3, 4, 7, 8)]
    runs = to_runs(build_fetch_log(frame(), ["7203"], week, AT))
    assert runs.select("first", "last").rows() == [(week[0], week[-1])]


def test_no_run_covers_a_session_that_was_left_out() -> None:
    days = [date(2025, 11, 10), date(2025, 11, 12)]
    runs = to_runs(build_fetch_log(frame(), ["7203"], days, AT))
    assert runs.select("first", "last").rows() == [(day, day) for day in days]
    assert to_runs(build_fetch_log(frame(), ["7203"], [date(2025, 11, 7), date(2025, 11, 11)], AT)).height == 2


@given(
    cells=st.lists(
        st.tuples(st.sampled_from(["7203", "285A"]), st.sampled_from(DAYS), st.integers(0, 2)),
        unique_by=lambda cell: cell[:2],
        min_size=1,
    )
)
def test_runs_say_what_the_answers_said(cells: list[tuple[str, date, int]]) -> None:
    answers = pl.DataFrame([(*cell, AT) for cell in cells], schema=FETCH_LOG_SCHEMA, orient="row")
    back = from_runs(to_runs(answers), first=DAYS[0], last=DAYS[-1])
    assert_frame_equal(back.filter(pl.col("session").is_in(list(DAYS))), newest_fetches(answers))


def test_the_newest_answer_counts_and_of_equally_new_ones_the_last() -> None:
    rows = [("7203", DAYS[0], 3, AT), ("7203", DAYS[0], 2, AT - timedelta(hours=1)), ("7203", DAYS[0], 4, AT)]
    assert newest_fetches(pl.DataFrame(rows, schema=FETCH_LOG_SCHEMA, orient="row"))["bars"].to_list() == [4]
