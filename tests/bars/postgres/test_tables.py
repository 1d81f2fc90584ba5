"""The tables of bars: shards by series and year, rejected rows that are released, results that are remembered."""

from datetime import date

import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.postgres.tables import make_partitions
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.bars.bar_store import answers, run
from tests.fixtures.bars.stored_bars import DAILY, JUNE_2, MINUTES, at, bar, frame, refused

JUNE_3 = date(2025, 6, 3)


def test_shards_are_those_of_the_series_alone_oldest_first(store: PostgresBarStore) -> None:
    # The numbers of the series are 1 to 11: the name of one begins as that of another does.
    first, *others = [BarSeries(f"s{letter}", Interval.M1) for letter in "abcdefghijk"]
    run(store.write(first, frame(*(bar("7203", at(date(year, 6, 2))) for year in (2026, 2023, 2025)))))
    for series in others:
        run(store.write(series, frame(bar("7203", at(date(2024, 6, 3))))))

    assert run(store.shards(first)) == ("2023", "2025", "2026")
    assert run(store.shards(others[-1])) == ("2024",)
    assert run(store.shards(DAILY)) == ()


def test_a_year_begins_and_ends_in_its_own_shard(store: PostgresBarStore) -> None:
    days = [date(2024, 12, 31), date(2025, 1, 1), date(2025, 12, 31), date(2026, 1, 1)]
    run(store.write(MINUTES, frame(*(bar("7203", at(day)) for day in days))))

    later = date(2030, 1, 1)
    found = {shard: run(store.older(MINUTES, shard, before=later)).bars for shard in run(store.shards(MINUTES))}
    assert found == {"2024": 1, "2025": 2, "2026": 1}
    counted = run(store.older(MINUTES, "2025", before=days[2]))
    assert (counted.buckets, counted.bars, counted.pages, counted.bytes > 10) == (1, 1, 1, True)
    assert run(store.older(DAILY, "all", before=later)).bars == 0


def test_a_released_row_is_dropped_by_series_symbol_time_and_reason(store: PostgresBarStore) -> None:
    values = [1.0] * 5
    gone = ("7203", at(JUNE_2), *values, "off_grid")
    rest = [
        ("1301", at(JUNE_2), *values, "off_grid"),
        ("7203", at(JUNE_2), *values, "volume"),
        ("7203", at(JUNE_2, 1), *values, "off_grid"),
    ]
    for series in (MINUTES, DAILY):
        run(store.quarantine(series, refused(gone, *rest)))
    version = run(store.version())

    assert run(store.release(MINUTES, refused(gone))) == 1
    assert run(store.release(MINUTES, refused(gone))) == 0
    left = run(store.read_quarantine(MINUTES)).select("symbol", "opened_at", "reason").rows()
    assert left == [(row[0], row[1], row[-1]) for row in (rest[0], rest[1], rest[2])]
    assert run(store.read_quarantine(DAILY)).height == 4
    assert run(store.version()) != version


def test_a_new_rejected_row_is_counted_and_a_known_one_is_not(store: PostgresBarStore) -> None:
    rows = [("7203", at(JUNE_2, minute), *[1.0] * 5, "off_grid") for minute in range(3)]
    assert run(store.quarantine(MINUTES, refused(*rows[:2]))) == 2
    assert run(store.quarantine(MINUTES, refused(*rows))) == 1
    assert run(store.quarantine(DAILY, refused(*rows[:1]))) == 1


def test_coverage_that_is_remembered_has_the_writes_of_other_processes(
    store: PostgresBarStore, database_url: str
) -> None:
    other = PostgresBarStore(BlockingDatabase(database_url, application_name="test"))
    asked = {"first": JUNE_2, "last": JUNE_3}
    run(store.write(MINUTES, frame(bar("7203", at(JUNE_2)))))
    assert run(store.coverage(MINUTES, **asked))["bars"].to_list() == [1]
    run(other.write(MINUTES, frame(bar("7203", at(JUNE_2, 1)))))
    assert run(store.coverage(MINUTES, **asked))["bars"].to_list() == [2]
    assert run(store.coverage(MINUTES, first=JUNE_3, last=JUNE_3)).is_empty()
    run(other.compact(MINUTES, "2025", before=JUNE_3))
    assert run(store.coverage(MINUTES, **asked)).is_empty()
    run(other.close())


def test_coverage_is_read_again_only_after_a_write(store: PostgresBarStore, database_url: str) -> None:
    for series in (MINUTES, DAILY):
        run(store.write(series, frame(bar("7203", at(JUNE_2)))))
    asked = [{"first": JUNE_2, "last": date(2025, 6, day)} for day in range(2, 8)]
    for each in asked:
        assert run(store.coverage(MINUTES, **each)).height == 1
    with psycopg.connect(database_url) as connection:
        # Behind its back: what is remembered shows.
        connection.execute("DELETE FROM bar_page WHERE series = 1")
    run(store.write(DAILY, frame(bar("7203", at(JUNE_3)))))
    # The last four are remembered, and a write to another series does not matter.
    assert [run(store.coverage(MINUTES, **each)).height for each in asked[2:]] == [1, 1, 1, 1]
    assert run(store.coverage(MINUTES, **asked[1])).height == 0
    run(store.quarantine(MINUTES, refused(("7203", at(JUNE_2), *[1.0] * 5, "off_grid"))))
    assert run(store.coverage(MINUTES, **asked[-1])).height == 0


def test_the_partitions_of_a_dump_are_made_and_no_other_table(store: PostgresBarStore, database_url: str) -> None:
    names = ["jobs", "bar_page_7_2025", "bar_page_8_all", "bar_page_x", "bar_page_9_3025", "bar_page"]
    make_partitions(database_url, names)
    make_partitions(database_url, names)
    bounds = (
        "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = to_regclass('bar_page') ORDER BY 1"
    )
    with psycopg.connect(database_url) as connection:
        assert connection.execute(bounds).fetchall() == [
            ("bar_page_7_2025", "FOR VALUES FROM ('7', 20089) TO ('7', 20454)"),
            ("bar_page_8_all", "FOR VALUES FROM ('8', 0) TO ('8', 10000)"),
        ]


@pytest.mark.parametrize("series", [MINUTES, DAILY])
def test_answers_within_a_newer_run_are_replaced_and_those_around_it_stay(
    store: PostgresBarStore, database_url: str, series: BarSeries
) -> None:
    days = [date(2025, 6, day) for day in (2, 3, 4, 5, 6)]
    for symbol in ("1301", "7203"):
        run(store.save_fetch_log(series, answers(*((symbol, day, 1) for day in days))))
        run(store.save_fetch_log(DAILY if series == MINUTES else MINUTES, answers((symbol, days[0], 9))))
    run(store.save_fetch_log(series, answers(*(("7203", day, 2) for day in days), hour=9)))
    run(store.save_fetch_log(series, answers(("7203", days[1], 3), ("7203", days[2], 3), hour=10)))

    kept = run(store.load_fetch_log(series, first=days[0], last=days[-1]))
    assert kept["symbol"].to_list() == ["1301"] * 5 + ["7203"] * 5
    assert kept["bars"].to_list() == [1] * 5 + [2, 3, 3, 2, 2]
    assert run(store.load_fetch_log(series, first=days[2], last=days[2]))["bars"].to_list() == [1, 3]
    assert run(store.load_fetch_log(series, first=date(2025, 6, 7), last=date(2025, 6, 30))).is_empty()
    with psycopg.connect(database_url) as connection:
        rows = connection.execute("SELECT symbol, bars FROM bar_fetch WHERE series = 1 ORDER BY 1, 2")
        assert rows.fetchall() == [("1301", 1), ("7203", 2), ("7203", 3)]


def test_the_answers_of_a_month_are_found_from_any_of_its_days(store: PostgresBarStore) -> None:
    days = [date(2025, 7, day) for day in range(1, 32)]
    run(store.save_fetch_log(MINUTES, answers(*(("7203", day, 1) for day in days))))
    for day in (days[0], days[14], days[-1]):
        assert run(store.load_fetch_log(MINUTES, first=day, last=day))["session"].to_list() == [day]
