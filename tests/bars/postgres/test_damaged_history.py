"""A damaged row of the history is named, costs its own page, and a repair has the history of that page begin again."""

import struct
from datetime import date, datetime

import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest, StoreDamaged
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame

_SPAN = {"start": at(date(2020, 1, 1)), "end": at(date(2030, 1, 1))}
_PAGE = "synthetic/1m 7203 2025-06-02"
_LAST = 2**63 - 1
_RUN = struct.Struct("<qq")
_BAR_S = int(at(JUNE_2, 2).timestamp())
#: Runs that are too short, that end within a number, that lack a number, that are far too old, and without a step.
_RUNS = [
    b"\1",
    _RUN.pack(_BAR_S, 2**51) + b"\x80",
    _RUN.pack(_BAR_S, 2**51) + b"\1",
    _RUN.pack(_BAR_S, 2**51) + b"\xff" * 12 + b"\1\1",
    _RUN.pack(_BAR_S, 2**51) + b"\1\0",
]
#: The moment of a page that no date has, and one after its last change.
_MOMENTS = [f"since = {_LAST}", f"moved = {_LAST}", "since = -1", "since = moved + 1"]


@pytest.fixture
def moments() -> list[datetime]:
    return []


@pytest.fixture
def grown(store: PostgresBarStore, moments: list[datetime]) -> PostgresBarStore:
    """A store with two symbols, whose bars were corrected, and then more were added; and the moments between."""
    for minutes, close in (((0, 1), 100.0), ((0, 1), 200.0), ((2,), 300.0)):
        run(store.write(MINUTES, frame(*(bar(s, at(JUNE_2, m), close) for s in ("1301", "7203") for m in minutes))))
        moments.append(utc_now())
    return store


def change(url: str, statement: str, *values: object) -> None:
    with psycopg.connect(url) as connection:
        assert connection.execute(statement.encode(), values).rowcount == 1


def set_page(url: str, what: str, *values: object) -> None:
    change(url, f"UPDATE bar_page SET {what} WHERE symbol = '7203'", *values)


def faults(store: PostgresBarStore) -> list[str]:
    return [fault.where for fault in run(store.verify()).faults]


@pytest.mark.parametrize("runs", _RUNS, ids=bytes.hex)
def test_damaged_runs_are_named_wherever_they_are_read(
    grown: PostgresBarStore, database_url: str, moments: list[datetime], runs: bytes
) -> None:
    set_page(database_url, "grown = %s", runs)

    assert faults(grown) == [f"{_PAGE} (history)"]
    then = grown.known_at(moments[1])
    for question in (
        then.read(MINUTES, "7203", **_SPAN),
        then.read_session(MINUTES, JUNE_2),
        then.coverage(MINUTES, first=JUNE_2, last=JUNE_2),
        then.latest(MINUTES),
    ):
        with pytest.raises(StoreDamaged, match=rf"{_PAGE} \(history\) is damaged"):
            run(question)
    assert run(then.read(MINUTES, "1301", **_SPAN))["close"].to_list() == [200.0, 200.0]
    assert run(grown.read_session(MINUTES, JUNE_2)).height == 6


@pytest.mark.parametrize("damage", [("grown = %s", _RUNS[0]), (f"moved = {_LAST}",)], ids=["runs", "moved"])
def test_bars_that_a_damaged_history_cannot_take_are_refused_alone(
    grown: PostgresBarStore, database_url: str, damage: tuple[object, ...]
) -> None:
    set_page(database_url, str(damage[0]), *damage[1:])

    report = run(grown.write(MINUTES, frame(*(bar(s, at(JUNE_2, 3)) for s in ("1301", "7203")))))

    assert (report.written, [(each.symbol, each.bars) for each in report.refused]) == (1, [("7203", 1)])
    assert f"page {_PAGE} (history) is damaged" in report.refused[0].reason
    assert run(grown.read(MINUTES, "1301", **_SPAN)).height == 4


@pytest.mark.parametrize(
    "damage", [*(("grown = %s", runs) for runs in _RUNS), *((what,) for what in _MOMENTS)], ids=range(9)
)
def test_a_repair_has_a_damaged_history_begin_again(
    grown: PostgresBarStore, database_url: str, moments: list[datetime], damage: tuple[object, ...]
) -> None:
    set_page(database_url, str(damage[0]), *damage[1:])
    (planned,) = run(grown.repair(is_dry=True))
    assert faults(grown) == [f"{_PAGE} (history)"]

    (mended,) = run(grown.repair(is_dry=False))

    assert (planned.where, mended.where) == (f"{_PAGE} (history)",) * 2
    assert (mended.done, mended.gaps) == (
        "the history of the page begins now; earlier moments of it cannot be read",
        (),
    )
    assert (faults(grown), run(grown.repair(is_dry=False))) == ([], ())
    with pytest.raises(InvalidRequest, match="7203 2025-06-02 away"):
        run(grown.known_at(moments[1]).read(MINUTES, "7203", **_SPAN))
    assert run(grown.known_at(moments[1]).read(MINUTES, "1301", **_SPAN)).height == 2
    assert run(grown.known_at(utc_now()).read(MINUTES, "7203", **_SPAN)).height == 3
    assert run(grown.write(MINUTES, frame(bar("7203", at(JUNE_2, 3))))).written == 1


@pytest.mark.parametrize("begin", [_LAST, -(2**63), 2**55])
def test_a_damaged_begin_of_the_history_is_named_and_begins_again(
    grown: PostgresBarStore, database_url: str, moments: list[datetime], begin: int
) -> None:
    change(database_url, "UPDATE bar_series SET history_from = %s", begin)
    if begin != 2**55:
        with pytest.raises(StoreDamaged, match="the beginning of the history of synthetic/1m is damaged"):
            run(grown.known_at(moments[1]).read(MINUTES, "7203", **_SPAN))
    assert faults(grown) == ["synthetic/1m (history)"]

    (mended,) = run(grown.repair(is_dry=False))

    assert mended.done == "the history begins now; earlier moments cannot be read"
    assert faults(grown) == []
    with pytest.raises(InvalidRequest, match="the history of synthetic/1m begins there"):
        run(grown.known_at(moments[1]).read(MINUTES, "7203", **_SPAN))
    assert run(grown.known_at(utc_now()).read(MINUTES, "7203", **_SPAN)).height == 3


@pytest.mark.parametrize("change_to", ["bucket = 2147483647", "bucket = -2147483648", "bucket = -1"])
def test_a_replaced_bar_of_a_bucket_without_a_date_stops_neither_check_nor_repair(
    grown: PostgresBarStore, database_url: str, change_to: str
) -> None:
    change(database_url, f"UPDATE bar_replaced SET {change_to} WHERE symbol = '7203'")
    change(database_url, "UPDATE bar_replaced SET data = set_byte(data, 20, 255) WHERE symbol = '1301'")

    found = faults(grown)
    assert len(found) == 2
    assert "synthetic/1m 1301 2025-06-02 (history)" in found
    assert len(run(grown.repair(is_dry=False))) == 2
    assert faults(grown) == []


def test_a_daily_page_of_the_year_0_stops_neither_check_nor_repair(store: PostgresBarStore, database_url: str) -> None:
    run(store.write(DAILY, frame(bar("7203", at(JUNE_2)))))
    change(database_url, "UPDATE bar_page SET bucket = 0")
    assert faults(store) == ["synthetic/1d 7203 0000"]
    (mended,) = run(store.repair(is_dry=False))
    assert (mended.done, mended.gaps) == ("the page was moved to the archive", ())
    assert faults(store) == []


@pytest.mark.parametrize("moment", [_LAST, 2**55])
def test_a_replaced_bar_of_a_wrong_moment_is_named_and_moved_away(
    grown: PostgresBarStore, database_url: str, moments: list[datetime], moment: int
) -> None:
    change(database_url, "UPDATE bar_replaced SET at = %s WHERE symbol = '7203'", moment)
    assert faults(grown) == [f"{_PAGE} (history)"]

    (mended,) = run(grown.repair(is_dry=False))

    assert mended.done == "the row was moved to the archive; earlier moments of the page cannot be read"
    assert faults(grown) == []
    with pytest.raises(InvalidRequest, match="7203 2025-06-02 away"):
        run(grown.known_at(moments[1]).read(MINUTES, "7203", **_SPAN))
    assert run(grown.known_at(utc_now()).read(MINUTES, "7203", **_SPAN))["close"].to_list() == [200.0, 200.0, 300.0]
