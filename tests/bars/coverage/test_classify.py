"""Each state of a cell, and the verdict on a session, from what is held and what was answered."""

from datetime import UTC, date, datetime, timedelta

import polars as pl
import pytest

from kaboom.bars.coverage.cells import CellState
from kaboom.bars.coverage.classify import CELL_SCHEMA, CoverScope, classify_cells, summarise_sessions
from kaboom.bars.store import COVERAGE_SCHEMA, FETCH_LOG_SCHEMA
from kaboom.market.bar import BarFlag
from kaboom.market.calendar import closes_at, last_sessions

DAYS = last_sessions(8, date(2025, 11, 6))
LAST = DAYS[-1]
FINAL_AT = closes_at(LAST) + timedelta(minutes=20)
NOW = FINAL_AT + timedelta(hours=3)
KEY = {"symbol": pl.String(), "session": pl.Date()}


def scope(*symbols: str, now: datetime = NOW) -> CoverScope:
    return CoverScope(symbols or ("7203",), [LAST], timedelta(minutes=20), now)


def held(*cells: tuple[str, date, int, int]) -> pl.DataFrame:
    rows = [(s, d, n, closes_at(d), closes_at(d), int(flags > 0), flags) for s, d, n, flags in cells]
    return pl.DataFrame(rows, schema=COVERAGE_SCHEMA, orient="row")


def asked(*answers: tuple[str, date, int, datetime]) -> pl.DataFrame:
    return pl.DataFrame(list(answers), schema=FETCH_LOG_SCHEMA, orient="row")


def history(symbol: str = "7203", bars: int = 300) -> list[tuple[str, date, int, int]]:
    return [(symbol, day, bars, 0) for day in DAYS[:-1]]


def state(*cells: tuple[str, date, int, int], said: pl.DataFrame | None = None, now: datetime = NOW) -> str:
    found = classify_cells(held(*cells), asked() if said is None else said, scope(now=now))
    assert found.schema == CELL_SCHEMA
    (only,) = found["state"].to_list()
    return str(only)


FINAL = asked(("7203", LAST, 300, FINAL_AT))


def test_what_is_held_and_final_is_complete() -> None:
    assert state(*history(), ("7203", LAST, 300, 0), said=FINAL) == "complete"


def test_nothing_is_missing_unless_it_was_said_to_be_nothing() -> None:
    nothing = asked(("7203", LAST, 0, FINAL_AT))
    assert state() == "missing"
    assert state(said=FINAL) == "missing"
    assert state(said=nothing) == "empty"
    assert state(said=asked(("7203", LAST, 0, FINAL_AT - timedelta(seconds=1)))) == "missing"


def test_missing_bars_of_an_active_symbol_are_not_empty() -> None:
    assert state(*history(), said=asked(("7203", LAST, 0, FINAL_AT))) == "short"


def test_fewer_bars_than_were_given_are_lost() -> None:
    assert state(*history(), ("7203", LAST, 299, 0), said=FINAL) == "lost"


@pytest.mark.parametrize(("second", "expected"), [(-1, "not_final"), (0, "complete")])
def test_bars_are_final_from_close_and_delay_on(second: int, expected: str) -> None:
    early = asked(("7203", LAST, 300, FINAL_AT + timedelta(seconds=second)))
    assert state(("7203", LAST, 300, 0), said=early) == expected


@pytest.mark.parametrize(("days", "expected"), [(6, "not_final"), (7, "complete")])
def test_bars_that_nobody_noted_are_final_after_a_week(days: int, expected: str) -> None:
    assert state(("7203", LAST, 300, 0), now=FINAL_AT + timedelta(days=days)) == expected


def test_a_session_that_is_not_over_waits() -> None:
    assert state(("7203", LAST, 100, 0), now=FINAL_AT - timedelta(seconds=1)) == "pending"
    assert state(now=FINAL_AT) == "missing"


@pytest.mark.parametrize(("bars", "expected"), [(149, "short"), (150, "complete")])
def test_less_than_half_of_the_median_before_is_short(bars: int, expected: str) -> None:
    assert state(*history(), ("7203", LAST, bars, 0), said=asked(("7203", LAST, bars, FINAL_AT))) == expected


def before(*bars: int) -> list[tuple[str, date, int, int]]:
    return [("7203", day, count, 0) for day, count in zip(DAYS[-1 - len(bars) : -1], bars, strict=True)]


@pytest.mark.parametrize(("bars", "expected"), [(49, "short"), (50, "complete")])
def test_the_median_is_of_the_sessions_before_without_the_one_it_judges(bars: int, expected: str) -> None:
    # The median of the six before is 100; with the session itself it would be 95, and half of that 47.5.
    cells = [*before(90, 90, 95, 105, 110, 110), ("7203", LAST, bars, 0)]
    found = classify_cells(held(*cells), asked(("7203", LAST, bars, FINAL_AT)), scope())
    assert found["expected"].to_list() == [100.0]
    assert state(*cells, said=asked(("7203", LAST, bars, FINAL_AT))) == expected


def test_sessions_after_the_one_it_judges_do_not_change_its_median() -> None:
    cells = [("7203", day, count, 0) for day, count in zip(DAYS, (100, 100, 100, 100, 100, 60, 300, 300), strict=True)]
    scoped = CoverScope(["7203"], DAYS[5:6], timedelta(minutes=20), NOW)
    assert classify_cells(held(*cells), asked(), scoped)["expected"].to_list() == [100.0]


def test_with_fewer_than_five_sessions_before_the_median_is_of_all_in_sight() -> None:
    cells = held(*before(100, 100, 100, 20), ("7203", LAST, 30, 0))
    assert classify_cells(cells, asked(), scope())["expected"].to_list() == [100.0]
    fewer = held(*before(100, 100, 20), ("7203", LAST, 30, 0))
    assert classify_cells(fewer, asked(), scope())["expected"].to_list() == [None]


def test_four_sessions_are_no_history() -> None:
    cells = [*history()[-3:], ("7203", LAST, 10, 0)]
    assert state(*cells, said=asked(("7203", LAST, 10, FINAL_AT))) == "complete"


def test_a_missing_auction_is_reported() -> None:
    cell = ("7203", LAST, 300, int(BarFlag.AUCTION_MISSING | BarFlag.JUMP))
    assert state(*history(), cell, said=FINAL) == "no_auction"
    assert state(*history(), ("7203", LAST, 300, int(BarFlag.JUMP)), said=FINAL) == "complete"


def test_a_symbol_that_was_not_asked_about_is_left_out() -> None:
    found = classify_cells(held(("6758", LAST, 5, 0)), asked(("6758", LAST, 5, FINAL_AT)), scope("7203"))
    assert found.select("symbol", "bars").rows() == [("7203", 0)]


@pytest.mark.parametrize(("gone", "verdict"), [(0, "complete"), (1, "gaps"), (5, "gaps"), (6, "degraded")])
def test_over_five_percent_without_a_bar_degrade_a_session(gone: int, verdict: str) -> None:
    names = [str(1301 + n) for n in range(100)]
    cells = held(*((name, LAST, 300, 0) for name in names[gone:]))
    answers = asked(*((name, LAST, 300, FINAL_AT) for name in names))
    (row,) = summarise_sessions(classify_cells(cells, answers, scope(*names))).rows(named=True)
    assert (row["verdict"], row["missing"], row["symbols"]) == (verdict, gone, 100)
    assert sum(row[kind.value] for kind in CellState) == 100


def test_symbols_that_are_not_listed_degrade_nothing() -> None:
    names = [str(1301 + n) for n in range(20)]
    cells = held(*((name, LAST, 300, 0) for name in names[10:]))
    answers = asked(*((name, LAST, 300 if name in names[10:] else 0, FINAL_AT) for name in names))
    (row,) = summarise_sessions(classify_cells(cells, answers, scope(*names))).rows(named=True)
    assert (row["verdict"], row["empty"], row["complete"]) == ("complete", 10, 10)


@pytest.mark.parametrize(
    ("state", "bars", "flags", "differs"),
    [
        (CellState.SHORT, 10, 0, False),
        (CellState.NO_AUCTION, 300, int(BarFlag.AUCTION_MISSING), False),
        (CellState.DIFFERS, 300, 0, True),
    ],
)
def test_a_suspect_spoils_its_session(state: CellState, bars: int, flags: int, *, differs: bool) -> None:
    cells = held(*(("7203", day, 300, 0) for day in DAYS[:-1]), ("7203", LAST, bars, flags))
    pairs = pl.DataFrame({"symbol": ["7203"] * differs, "session": [LAST] * differs}, schema=KEY)
    found = classify_cells(cells, asked(("7203", LAST, bars, FINAL_AT)), scope(), differing=pairs)
    (row,) = summarise_sessions(found).rows(named=True)
    assert (row[state.value], row["verdict"]) == (1, "gaps")


def test_one_symbol_that_is_pending_leaves_its_session_without_a_verdict() -> None:
    found = classify_cells(held(), asked(), scope("7203", now=datetime(2025, 11, 6, 3, tzinfo=UTC)))
    row = summarise_sessions(found).rows(named=True)[-1]
    assert (row["pending"], row["verdict"]) == (1, "pending")


def test_a_session_that_is_not_over_has_no_verdict() -> None:
    found = classify_cells(held(), asked(), scope("7203", "6758", now=datetime(2025, 11, 6, 3, tzinfo=UTC)))
    assert summarise_sessions(found)["verdict"].to_list() == ["pending"]
