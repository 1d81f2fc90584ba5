"""Damage in a table is found where it is read, costs its own symbol, and changes no value of another."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime

import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreDamaged
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame

JUNE_3 = date(2025, 6, 3)
_SPAN = {"start": at(date(2020, 1, 1)), "end": at(date(2030, 1, 1))}
_FLIP = "UPDATE bar_page SET data = set_byte(data, 20, get_byte(data, 20) # 1) WHERE symbol = '7203'"


@pytest.fixture
def filled(store: PostgresBarStore) -> PostgresBarStore:
    """A store with two sessions of two symbols."""
    run(
        store.write(
            MINUTES, frame(*(bar(s, at(d), c) for s, c in (("1301", 90.0), ("7203", 100.0)) for d in (JUNE_2, JUNE_3)))
        )
    )
    return store


def damage(url: str, statement: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(statement.encode())


@contextmanager
def logged() -> Iterator[list[str]]:
    """Collect the events that are logged."""
    configure_logging(log_format="json", level="INFO")
    events: list[str] = []
    end = tap_lines(lambda line: events.append(line["event"]))
    yield events
    end()


def test_a_flipped_byte_of_a_page_is_refused_and_named(filled: PostgresBarStore, database_url: str) -> None:
    damage(database_url, f"{_FLIP} AND bucket = {(JUNE_2 - date(1970, 1, 1)).days}")

    with pytest.raises(StoreDamaged, match="page synthetic/1m 7203 2025-06-02 is damaged"):
        run(filled.read(MINUTES, "7203", **_SPAN))
    with pytest.raises(StoreDamaged, match="page synthetic/1m 7203 2025-06-02 is damaged"):
        run(filled.read_session(MINUTES, JUNE_2))
    assert run(filled.read_session(MINUTES, JUNE_3))["symbol"].to_list() == ["1301", "7203"]
    assert run(filled.read(MINUTES, "1301", **_SPAN))["close"].to_list() == [90.0, 90.0]
    (fault,) = run(filled.verify()).faults
    assert fault.where == "synthetic/1m 7203 2025-06-02"


def test_a_write_to_a_damaged_page_is_refused_and_the_others_are_stored(
    filled: PostgresBarStore, database_url: str
) -> None:
    damage(database_url, _FLIP)

    report = run(filled.write(MINUTES, frame(bar("1301", at(JUNE_2, 1)), bar("7203", at(JUNE_2, 1)))))

    assert report.written == 1
    assert [(each.symbol, each.bars) for each in report.refused] == [("7203", 1)]
    assert "is damaged" in report.refused[0].reason


@pytest.mark.parametrize("column", ["last_ts", "o", "h", "l", "c", "v", "last_flags", "newest_sum"])
def test_a_wrong_newest_bar_in_a_header_is_read_from_the_page(
    filled: PostgresBarStore, database_url: str, column: str
) -> None:
    before = run(filled.latest(MINUTES)), run(filled.last_closes(MINUTES, ["1301", "7203"], before=date(2025, 6, 4)))
    damage(database_url, f"UPDATE bar_page SET {column} = {column} + 1 WHERE symbol = '7203'")

    with logged() as events:
        assert run(filled.latest(MINUTES)).equals(before[0])
        closes = run(filled.last_closes(MINUTES, ["1301", "7203"], before=date(2025, 6, 4)))
    assert closes == before[1]
    assert set(events) == {"page_damaged"}
    assert run(filled.verify()).faults


@pytest.mark.parametrize("column", ["n", "first_ts", "last_ts", "flagged", "flags", "cover_sum"])
def test_a_page_with_a_wrong_header_counts_as_not_held(
    filled: PostgresBarStore, database_url: str, column: str
) -> None:
    damage(database_url, f"UPDATE bar_page SET {column} = {column} + 1 WHERE symbol = '7203'")

    with logged() as events:
        held = run(filled.coverage(MINUTES, first=JUNE_2, last=JUNE_3))
    assert held["symbol"].to_list() == ["1301", "1301"]
    assert events.count("page_damaged") == 2


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("bucket = 20242", "is damaged: its crc32 was"),
        ("n = n + 1", "its header was (2, "),
    ],
)
def test_a_page_that_differs_from_its_row_is_named(
    store: PostgresBarStore, database_url: str, change: str, said: str
) -> None:
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)), bar("1301", at(JUNE_2)))))
    damage(database_url, f"UPDATE bar_page SET {change} WHERE symbol = '7203'")
    (fault,) = run(store.verify()).faults
    assert fault.where.startswith("synthetic/1m 7203 2025-06-0")
    assert said in fault.message
    assert fault.mend == "kaboom bars repair"


def test_damaged_history_is_found_and_refused(store: PostgresBarStore, database_url: str) -> None:
    moments = list[datetime]()
    for close in (100.0, 200.0):
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), close), bar("1301", at(JUNE_2), close))))
        moments.append(utc_now())
    damage(
        database_url,
        "UPDATE bar_replaced SET data = set_byte(data, 20, get_byte(data, 20) # 1) WHERE symbol = '7203'",
    )

    (fault,) = run(store.verify()).faults
    assert fault.where == "synthetic/1m 7203 2025-06-02 (history)"
    with pytest.raises(StoreDamaged, match="7203 2025-06-02"):
        run(store.known_at(moments[0]).read(MINUTES, "7203", **_SPAN))
    assert run(store.known_at(moments[0]).read(MINUTES, "1301", **_SPAN))["close"].to_list() == [100.0]
    assert run(store.read(MINUTES, "7203", **_SPAN))["close"].to_list() == [200.0]


def test_every_page_is_verified_though_they_are_read_in_parts(store: PostgresBarStore, database_url: str) -> None:
    symbols = [str(code) for code in range(1300, 1600)]
    run(store.write(MINUTES, frame(*(bar(symbol, at(day)) for day in (JUNE_2, JUNE_3) for symbol in symbols))))
    run(store.write(DAILY, frame(bar("7203", at(JUNE_2)))))
    damage(database_url, "UPDATE bar_page SET n = n + 1 WHERE (bucket, symbol) IN ((20241, '1300'), (20242, '1599'))")
    health = run(store.verify())
    assert (health.pages, health.bars) == (601, 603)
    assert [fault.where[-15:] for fault in health.faults] == ["1300 2025-06-02", "1599 2025-06-03"]
    assert health.bytes is not None
    assert health.bytes > 601 * 40
