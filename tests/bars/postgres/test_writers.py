"""Writers of one database at the same time lose nothing, wait for no stranger, and store all or nothing."""

import asyncio
from datetime import UTC, date, datetime

import polars as pl
import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import WriteReport
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import StoreError
from tests.bars.bar_store import run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, full_day
from tests.fixtures.servers.stacks import until

_NEW_NAME = "INSERT INTO bar_symbol SELECT id, '7203' FROM bar_series"
_NEW_PAGE = """
INSERT INTO bar_page SELECT (jsonb_populate_record(p, '{"symbol": "7203"}')).* FROM bar_page p WHERE symbol = '1301'
"""
_SPAN = {"start": at(date(2020, 1, 1)), "end": at(date(2030, 1, 1))}


async def write_at_once(url: str, parts: list[pl.DataFrame]) -> list[WriteReport]:
    stores = [PostgresBarStore(BlockingDatabase(url, application_name="test")) for _ in parts]
    try:
        work = (store.write(MINUTES, part) for store, part in zip(stores, parts, strict=True))
        return await asyncio.gather(*work)
    finally:
        for store in stores:
            await store.close()


def test_writers_of_the_same_new_pages_lose_no_bar(store: PostgresBarStore, database_url: str) -> None:
    # Each has other minutes of the same symbols, none of which is stored; the table has no partition yet.
    day = full_day(["1301", "7203", "9984"], JUNE_2).sort("symbol", "opened_at")
    parts = [day.gather_every(6, offset) for offset in range(6)]

    reports = run(write_at_once(database_url, parts))

    assert sum(report.written for report in reports) == day.height
    assert run(store.read_session(MINUTES, JUNE_2)).equals(day)
    assert run(store.verify()).faults == ()


def test_a_write_waits_for_no_writer_of_other_symbols(store: PostgresBarStore, database_url: str) -> None:
    run(store.write(MINUTES, frame(bar("1301", at(JUNE_2)), bar("7203", at(JUNE_2)))))
    with psycopg.connect(database_url) as other:
        other.execute("SELECT 1 FROM bar_page WHERE symbol = '1301' FOR UPDATE")
        report = run(asyncio.wait_for(store.write(MINUTES, frame(bar("7203", at(JUNE_2), 120.0))), 20))
    assert (report.written, report.corrected) == (1, 1)


def test_a_write_that_the_server_ends_stores_nothing(store: PostgresBarStore, database_url: str) -> None:
    run(store.write(MINUTES, frame(bar("9984", at(JUNE_2)))))
    bars = frame(bar("1301", at(JUNE_2)), bar("9984", at(JUNE_2), 120.0))

    async def write_and_end() -> None:
        writing = asyncio.ensure_future(store.write(MINUTES, bars))
        await asyncio.to_thread(until, ended, bool, within_s=20)
        with pytest.raises(StoreError, match="PostgreSQL did not answer") as caught:
            await writing
        assert caught.value.retryable

    with psycopg.connect(database_url) as other, psycopg.connect(database_url, autocommit=True) as control:

        def ended() -> bool:
            ended = control.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'test'"
                " AND wait_event_type = 'Lock' AND datname = current_database()"
            )
            return bool(ended.fetchall())

        other.execute("SELECT 1 FROM bar_page WHERE symbol = '9984' FOR UPDATE")
        run(write_and_end())

    assert run(store.read(MINUTES, "1301", **_SPAN)).is_empty()
    assert run(store.read(MINUTES, "9984", **_SPAN))["close"].to_list() == [100.0]
    # The next write is on a new connection.
    assert run(store.write(MINUTES, bars)).written == 2


def test_a_session_that_is_written_again_changes_no_row(store: PostgresBarStore, database_url: str) -> None:
    day = full_day(["1301", "7203"], JUNE_2)
    run(store.write(MINUTES, day))
    with psycopg.connect(database_url, autocommit=True) as connection:
        rows = "SELECT symbol, xmin::text, xmax::text FROM bar_page ORDER BY symbol"
        before = connection.execute(rows).fetchall()
        assert run(store.write(MINUTES, day)).changed == 0
        assert connection.execute(rows).fetchall() == before


def test_a_year_of_minutes_and_all_daily_bars_have_a_partition_each(store: PostgresBarStore, database_url: str) -> None:
    days = [date(2024, 12, 30), date(2025, 1, 6)]
    for series in (MINUTES, DAILY):
        run(store.write(series, frame(*(bar("7203", at(day)) for day in days))))

    with psycopg.connect(database_url, autocommit=True) as connection:
        found = connection.execute("SELECT DISTINCT tableoid::regclass::text FROM bar_page ORDER BY 1").fetchall()
    assert [name for (name,) in found] == ["bar_page_1_2024", "bar_page_1_2025", "bar_page_2_all"]
    assert run(store.shards(MINUTES)) == ("2024", "2025")
    assert run(store.shards(DAILY)) == ("all",)


def test_a_reader_of_a_moment_waits_for_a_write_that_began_before_it(
    store: PostgresBarStore, database_url: str
) -> None:
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))

    async def read() -> pl.DataFrame:
        moment = datetime.now(UTC)
        reading = asyncio.ensure_future(store.known_at(moment).read(MINUTES, "7203", **_SPAN))
        done, _ = await asyncio.wait([reading], timeout=0.5)
        assert not done
        writer.commit()
        return await reading

    with psycopg.connect(database_url) as writer:
        # As the store does it: the moment is taken after the gate is shared.
        writer.execute("SELECT pg_advisory_xact_lock_shared(x'62617273'::int)")
        now = "(extract(epoch FROM clock_timestamp()) * 1000000)::bigint"
        writer.execute(f"UPDATE bar_page SET since = {now}, moved = {now}")
        assert run(read()).height == 1


@pytest.mark.parametrize("held", [_NEW_NAME, _NEW_PAGE], ids=["name", "page"])
def test_writers_that_add_and_change_the_same_pages_do_not_deadlock(
    store: PostgresBarStore, database_url: str, held: str
) -> None:
    run(store.write(MINUTES, frame(bar("1301", at(JUNE_2)))))
    adds = frame(bar("7203", at(JUNE_2)), bar("9984", at(JUNE_2, 1)))
    changes = frame(bar("7203", at(JUNE_2, 1)), bar("9984", at(JUNE_2, 2)))

    async def write_in_a_circle() -> list[WriteReport]:
        # The first finds neither page, the second finds that of 9984; then both go on at the same moment.
        first = asyncio.create_task(write_at_once(database_url, [adds]))
        await asyncio.to_thread(until, lambda: waiting() == 1, bool, within_s=20)
        await store.write(MINUTES, frame(bar("9984", at(JUNE_2))))
        second = asyncio.create_task(write_at_once(database_url, [changes]))
        await asyncio.to_thread(until, lambda: waiting() == 2, bool, within_s=20)
        holder.rollback()
        return [*await first, *await second]

    with psycopg.connect(database_url) as holder, psycopg.connect(database_url, autocommit=True) as control:

        def waiting() -> int:
            found = control.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'test' AND wait_event_type = 'Lock'"
                " AND datname = current_database()"
            )
            return int(found.fetchall()[0][0])

        holder.execute(held)
        reports = run(write_in_a_circle())

    assert [report.written for report in reports] == [2, 2]
    assert run(store.read_session(MINUTES, JUNE_2)).height == 6
