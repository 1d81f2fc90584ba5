"""Chunks together hold every symbol and session once, in parts that keep the workers busy."""

import json
from dataclasses import replace
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.ingest.plan import (
    IngestChunk,
    IngestPlan,
    bars_per_session,
    is_one_month,
    plan_chunks,
    split_evenly,
    split_in_runs,
)
from kaboom.market.calendar import sessions_between
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.providers.base import Capabilities

DAILY = Capabilities(frozenset(Interval), frozenset(Market))
BULK = Capabilities(frozenset(Interval), frozenset(Market), bulk_by_session=frozenset(Interval))
MONTHS = Capabilities(
    frozenset(Interval),
    frozenset(Market),
    bulk_by_session=frozenset(Interval),
    bulk_by_month=frozenset({Interval.D1}),
    bulk_least_symbols={Interval.M1: 200},
)
SESSIONS = sessions_between(date(2025, 9, 1), date(2025, 11, 28))
SYMBOLS = tuple(str(1000 + n) for n in range(1600))
UNIVERSES = st.integers(0, 1600).map(lambda n: SYMBOLS[:n])
SPANS = st.tuples(st.integers(0, 60), st.integers(1, 60)).map(lambda s: SESSIONS[s[0] : s[0] + s[1]])
DAYS = st.lists(st.dates(date(2018, 1, 1), date(2026, 11, 1)), min_size=1, max_size=20, unique=True).map(
    lambda days: tuple(sorted(days))
)


@given(st.sampled_from(Interval), UNIVERSES, SPANS, st.integers(1, 64), st.booleans())
def test_every_symbol_and_session_is_in_one_chunk(
    interval: Interval,
    symbols: tuple[str, ...],
    sessions: tuple[date, ...],
    slots: int,
    bulk: bool,  # noqa: FBT001
) -> None:
    chunks = plan_chunks(interval, symbols, sessions, capabilities=BULK if bulk else DAILY, slots=slots)
    assert all(chunk.interval is interval and chunk.symbols and chunk.sessions for chunk in chunks)
    if bulk and len(symbols) >= len(sessions):
        assert [chunk.sessions for chunk in chunks] == [(day,) for day in sessions if symbols]
        assert all(chunk.symbols == symbols for chunk in chunks)
    else:
        assert tuple(s for chunk in chunks for s in chunk.symbols) == (symbols if sessions else ())
        assert all(chunk.sessions == sessions for chunk in chunks)
        sizes = [len(chunk.symbols) for chunk in chunks]
        assert max(sizes, default=0) - min(sizes, default=0) <= 1


def test_a_chunk_is_a_month_where_one_call_brings_it() -> None:
    chunks = plan_chunks(Interval.D1, SYMBOLS, SESSIONS[3:], capabilities=MONTHS, slots=4)
    assert tuple(day for chunk in chunks for day in chunk.sessions) == SESSIONS[3:]
    assert [{(day.year, day.month) for day in chunk.sessions} for chunk in chunks] == [
        {(2025, 9)},
        {(2025, 10)},
        {(2025, 11)},
    ]
    assert all(chunk.symbols == SYMBOLS for chunk in chunks)
    # Fewer symbols than sessions are fewer questions one by one.
    (chunk,) = plan_chunks(Interval.D1, SYMBOLS[:9], SESSIONS, capabilities=MONTHS, slots=4)
    assert chunk.sessions == SESSIONS


def test_few_symbols_are_not_asked_for_as_whole_sessions() -> None:
    def plan(symbols: int) -> list[IngestChunk]:
        return plan_chunks(Interval.M1, SYMBOLS[:symbols], SESSIONS[:2], capabilities=MONTHS, slots=1)

    assert [chunk.sessions for chunk in plan(200)] == [(SESSIONS[0],), (SESSIONS[1],)]
    assert {chunk.sessions for chunk in plan(199)} == {SESSIONS[:2]}


@given(UNIVERSES.filter(bool), SPANS.filter(bool), st.integers(1, 64))
def test_a_large_job_fills_whole_rounds_of_slots(
    symbols: tuple[str, ...], sessions: tuple[date, ...], slots: int
) -> None:
    chunks = plan_chunks(Interval.M1, symbols, sessions, capabilities=DAILY, slots=slots)
    assert len(chunks) == 1 or len(chunks) % slots == 0 or len(chunks) == len(symbols)


def test_a_day_of_tse_prime_on_four_slots() -> None:
    chunks = plan_chunks(Interval.M1, SYMBOLS, SESSIONS[-1:], capabilities=DAILY, slots=4)
    assert [len(chunk.symbols) for chunk in chunks] == [200] * 8


def test_a_handful_of_symbols_is_not_spread() -> None:
    assert len(plan_chunks(Interval.M1, SYMBOLS[:90], SESSIONS[-1:], capabilities=DAILY, slots=8)) == 1


@given(st.lists(st.text(max_size=3), max_size=40), st.integers(1, 50))
def test_split_evenly_keeps_order_and_loses_nothing(items: list[str], parts: int) -> None:
    split = split_evenly(items, parts)
    assert len(split) == parts
    assert [item for part in split for item in part] == items
    assert max(map(len, split)) - min(map(len, split)) <= 1


@given(st.sampled_from(Interval), SPANS.filter(bool) | DAYS)
def test_a_chunk_comes_back_from_its_payload(interval: Interval, sessions: tuple[date, ...]) -> None:
    chunk = IngestChunk(interval, ("7203", "285A"), sessions)
    payload = json.loads(json.dumps(chunk.payload()))
    assert IngestChunk.from_payload(payload, ["7203", "285A"]) == chunk


def test_a_run_of_sessions_is_written_as_its_first_and_last() -> None:
    chunk = IngestChunk(Interval.D1, ("7203",), SESSIONS)
    assert chunk.payload() == {"interval": "1d", "first": "2025-09-01", "last": "2025-11-28"}


def test_days_on_which_the_tse_rests_are_reported_one_by_one() -> None:
    days = (date(2024, 11, 1), date(2024, 11, 4), date(2024, 11, 5))
    assert IngestChunk(Interval.D1, ("SPY",), days).payload()["sessions"] == ["2024-11-01", "2024-11-04", "2024-11-05"]


@given(st.sampled_from(Interval), st.dates(date(1990, 1, 1), date(2026, 12, 31)))
def test_a_session_has_bars_on_any_day(interval: Interval, day: date) -> None:
    assert 1 <= bars_per_session(day, interval) <= 390


def test_a_closed_day_counts_as_a_foreign_session() -> None:
    closed = date(2024, 11, 4)
    bars = {interval: bars_per_session(closed, interval) for interval in Interval}
    assert list(bars.values()) == [390, 78, 26, 7, 1]
    assert bars_per_session(closed + timedelta(days=1), Interval.M1) == 327


def test_the_summary_tells_each_interval_s_sessions() -> None:
    chunks = [
        *plan_chunks(Interval.M1, SYMBOLS, SESSIONS[-1:], capabilities=DAILY, slots=4),
        *plan_chunks(Interval.D1, SYMBOLS, SESSIONS[-30:], capabilities=BULK, slots=4),
    ]
    plan = IngestPlan(SESSIONS[-1], True, "synthetic", {"symbols": 1600}, tuple(chunks))  # noqa: FBT003
    assert plan.summary()["sessions"] == {
        "1m": {"count": 1, "first": "2025-11-28", "last": "2025-11-28"},
        "1d": {"count": 30, "first": SESSIONS[-30].isoformat(), "last": "2025-11-28"},
    }
    assert json.loads(json.dumps(plan.summary())) == plan.summary()


def test_a_very_large_job_has_eight_rounds_of_slots() -> None:
    chunks = plan_chunks(Interval.M1, SYMBOLS, SESSIONS, capabilities=DAILY, slots=4)
    assert [len(chunk.symbols) for chunk in chunks] == [50] * 32


@pytest.mark.parametrize(("symbols", "parts"), [(214, 1), (215, 4)])
def test_what_fits_in_a_chunk_is_one(symbols: int, parts: int) -> None:
    # A minute bar of 214 symbols each is 69,978 bars.
    chunks = plan_chunks(Interval.M1, SYMBOLS[:symbols], SESSIONS[-1:], capabilities=DAILY, slots=4)
    assert len(chunks) == parts


def test_the_summary_has_all_of_the_plan_but_what_it_lacks() -> None:
    chunks = plan_chunks(Interval.D1, SYMBOLS, SESSIONS[-2:], capabilities=BULK, slots=4)
    plan = IngestPlan(SESSIONS[-1], False, "synthetic", {"symbols": 1600}, tuple(chunks))  # noqa: FBT003
    assert plan.summary() == {
        "chunks": 2,
        "session": "2025-11-28",
        "is_final": False,
        "provider": "synthetic",
        "universe": {"symbols": 1600},
        "sessions": {"1d": {"count": 2, "first": "2025-11-27", "last": "2025-11-28"}},
    }
    more = replace(plan, gaps={"1d": {"cells": 1}}, outside={"1d": {"rows": 2}}).summary()
    assert more == plan.summary() | {"gaps": {"1d": {"cells": 1}}, "outside": {"1d": {"rows": 2}}}


def test_sessions_are_split_where_one_is_missing() -> None:
    closed = date(2025, 9, 23)
    days = [*SESSIONS[:2], *SESSIONS[3:5]]
    assert split_in_runs([]) == []
    assert split_in_runs(SESSIONS[:5]) == [SESSIONS[:5]]
    assert split_in_runs(days) == [SESSIONS[:2], SESSIONS[3:5]]
    assert split_in_runs([date(2025, 9, 22), closed, date(2025, 9, 24)]) == [
        (date(2025, 9, 22),),
        (closed,),
        (date(2025, 9, 24),),
    ]


def test_a_month_is_that_of_a_year() -> None:
    assert is_one_month((date(2025, 9, 1), date(2025, 9, 30)))
    assert not is_one_month((date(2025, 9, 30), date(2025, 10, 1)))
    assert not is_one_month((date(2024, 9, 30), date(2025, 9, 1)))
