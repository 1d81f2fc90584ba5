"""Bars in PostgreSQL as of a moment: what a compaction drops, which moments are refused, and who is waited for."""

import asyncio
import time
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import psycopg
import pytest

from kaboom.bars import open_postgres
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import InvalidRequest, StoreError
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.settings import load_settings
from tests.bars.bar_store import run
from tests.fixtures.bars.postgres_bars import empty_bar_tables
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame

JUNE_3 = date(2025, 6, 3)
_US = timedelta(microseconds=1)
#: What a writer holds until its commit, and a reader of a recent moment waits for.
_GATE = "SELECT pg_advisory_xact_lock_shared(x'62617273'::int)"


class Hand:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def kept(database_url: str, clock: Hand) -> Iterator[PostgresBarStore]:
    """An empty store that keeps replaced bars for ten days."""
    empty_bar_tables(database_url)
    made = PostgresBarStore(BlockingDatabase(database_url, application_name="test"), history_days=10, clock=clock)
    yield made
    run(made.close())


def correct(store: PostgresBarStore, clock: Hand, series: BarSeries, days: int) -> list[datetime]:
    """Write a bar that is corrected every six days; return when."""
    told = list[datetime]()
    for close in range(days):
        told.append(clock.now)
        run(store.write(series, frame(bar("7203", at(JUNE_2), close))))
        clock.now += timedelta(days=6)
    return told


def replaced(url: str) -> list[tuple[int, int]]:
    with psycopg.connect(url) as connection:
        return connection.execute("SELECT series, bucket FROM bar_replaced ORDER BY at").fetchall()


def closes(store: PostgresBarStore, moment: datetime, series: BarSeries = MINUTES) -> list[float]:
    found: list[float] = run(store.known_at(moment).read_session(series, JUNE_2))["close"].to_list()
    return found


@pytest.mark.parametrize("series", [MINUTES, DAILY])
def test_history_days_drop_older_bars_and_refuse_earlier_moments(
    kept: PostgresBarStore, clock: Hand, database_url: str, series: BarSeries
) -> None:
    told = correct(kept, clock, series, 4)
    (shard,) = run(kept.shards(series))
    dropped = run(kept.compact(series, shard, before=None)).dropped

    # Now it is the 25th: the bars that were replaced until the 15th go, one of them 12 days ago.
    assert (dropped.bars, len(replaced(database_url))) == (0, 1)
    with pytest.raises(InvalidRequest, match=r"as_of was 2026-01-01.*expected 2026-01-15T00:00:00\+00:00 or later"):
        closes(kept, told[0], series)
    with pytest.raises(InvalidRequest):
        closes(kept, clock.now - timedelta(days=10) - _US, series)
    for moment, expected in ((clock.now - timedelta(days=10), 2.0), (told[3] - _US, 2.0), (told[3], 3.0)):
        assert closes(kept, moment, series) == [expected]


def test_the_setting_for_the_length_of_the_history_reaches_the_store(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A process keeps its stores, and this one ends with the test.
    for name in ("_database", "_store"):
        monkeypatch.setattr(open_postgres, name, getattr(open_postgres, name).__wrapped__)
    empty_bar_tables(database_url)
    store = open_postgres.open_postgres(load_settings(bar_store="postgres", database_url=database_url, history_days=10))
    for close in (1.0, 2.0):
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), close))))
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("UPDATE bar_replaced SET at = at - 20 * 86400 * 1000000::bigint")
    run(store.compact(MINUTES, "2025", before=None))
    run(store.close())
    assert replaced(database_url) == []


def test_a_bar_replaced_just_when_the_history_begins_is_dropped(
    kept: PostgresBarStore, clock: Hand, database_url: str
) -> None:
    told = correct(kept, clock, MINUTES, 2)
    clock.now = told[1] + timedelta(days=10) - _US
    run(kept.compact(MINUTES, "2025", before=None))
    assert len(replaced(database_url)) == 1
    clock.now += _US
    run(kept.compact(MINUTES, "2025", before=None))
    assert replaced(database_url) == []
    assert closes(kept, told[1]) == [1.0]


def test_a_compaction_keeps_the_history_of_other_series_and_years(
    kept: PostgresBarStore, clock: Hand, database_url: str
) -> None:
    other = BarSeries("yahoo", Interval.M1)
    for close in (1.0, 2.0):
        bars = [bar("7203", at(day), close) for day in (date(2024, 12, 30), JUNE_2, date(2026, 1, 5))]
        for series in (MINUTES, other):
            run(kept.write(series, frame(*bars)))
        clock.now += timedelta(days=20)
    run(kept.compact(MINUTES, "2025", before=None))

    days = [day.toordinal() - date(1970, 1, 1).toordinal() for day in (date(2024, 12, 30), JUNE_2, date(2026, 1, 5))]
    assert sorted(replaced(database_url)) == [(1, days[0]), (1, days[2]), *((2, day) for day in days)]
    assert closes(kept, datetime(2026, 1, 2, tzinfo=UTC), other) == [1.0]


def test_without_history_days_nothing_of_the_history_is_dropped(store: PostgresBarStore, database_url: str) -> None:
    for close in (1.0, 2.0):
        run(store.write(MINUTES, frame(bar("7203", at(JUNE_2), close))))
    run(store.compact(MINUTES, "2025", before=None))
    assert len(replaced(database_url)) == 1


def test_bars_that_retention_dropped_are_gone_at_every_moment(store: PostgresBarStore, database_url: str) -> None:
    for close in (1.0, 2.0):
        run(store.write(MINUTES, frame(*(bar("7203", at(day), close) for day in (JUNE_2, JUNE_3)))))
    moment = utc_now()
    run(store.compact(MINUTES, "2025", before=JUNE_3))

    assert len(replaced(database_url)) == 1
    assert closes(store, moment) == []
    assert run(store.known_at(moment).read_session(MINUTES, JUNE_3)).height == 1


def test_a_reader_of_an_older_moment_does_not_wait_for_a_writer(store: PostgresBarStore, database_url: str) -> None:
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))
    with psycopg.connect(database_url) as writer:
        writer.execute("UPDATE bar_page SET since = 0, moved = 0")
        writer.commit()
        writer.execute(_GATE)

        async def read(age_s: float, within_s: float) -> int:
            reader = store.known_at(utc_now() - timedelta(seconds=age_s))
            return (await asyncio.wait_for(reader.read_session(MINUTES, JUNE_2), within_s)).height

        assert run(read(125, 20)) == 1
        with pytest.raises(TimeoutError):
            run(read(60, 0.5))


def test_a_moment_a_little_ahead_of_the_server_is_waited_for(store: PostgresBarStore) -> None:
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))
    moment = utc_now() + timedelta(seconds=0.4)
    begin = time.monotonic()
    assert closes(store, moment) == [100.0]
    assert time.monotonic() - begin >= 0.3


def test_a_moment_far_ahead_of_the_server_is_an_error_of_the_clock(store: PostgresBarStore) -> None:
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))
    with pytest.raises(StoreError, match=r"clock of this machine was (59|60)\.\d s ahead of PostgreSQL's"):
        closes(store, utc_now() + timedelta(seconds=60))


@pytest.mark.parametrize("series", [MINUTES, DAILY])
def test_a_bar_corrected_twice_has_its_value_of_each_moment(
    kept: PostgresBarStore, clock: Hand, series: BarSeries
) -> None:
    told = correct(kept, clock, series, 3)
    day = {"first": JUNE_2, "last": JUNE_2}
    assert run(kept.known_at(told[0] - _US).coverage(series, **day)).is_empty()
    for moment, close in zip(told, (0.0, 1.0, 2.0), strict=True):
        reader = kept.known_at(moment)
        assert closes(kept, moment, series) == [close]
        assert run(reader.latest(series))["close"].to_list() == [close]
        assert run(reader.coverage(series, **day))["bars"].to_list() == [1]


def test_the_newest_bars_of_a_moment_are_those_of_the_symbols_asked_for(kept: PostgresBarStore, clock: Hand) -> None:
    run(kept.write(MINUTES, frame(bar("7203", at(JUNE_2)), bar("1301", at(JUNE_2)), bar("9984", at(JUNE_2)))))
    moment, clock.now = clock.now, clock.now + timedelta(days=1)
    run(kept.write(MINUTES, frame(bar("7203", at(JUNE_3)), bar("1301", at(JUNE_3)))))
    reader = kept.known_at(moment)
    assert run(reader.latest(MINUTES, ["9984", "1301"])).rows() == [bar("1301", at(JUNE_2)), bar("9984", at(JUNE_2))]
    assert run(reader.latest(MINUTES))["opened_at"].unique().to_list() == [at(JUNE_2)]
    assert run(reader.latest(DAILY)).is_empty()
