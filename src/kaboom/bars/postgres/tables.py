"""The tables of bars: the numbers of series, the partitions of pages, and what every write and read begins with.

A partition of `bar_page` holds a year of a series of minutes, or all daily bars of a series. `kaboom.migrations` makes
the other tables.
"""

import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import date

import polars as pl
from psycopg import sql as composed

from kaboom.bars.normalise import check_source, name_bucket, to_day, to_session
from kaboom.drivers.postgres.blocking import BlockingDatabase, Statements
from kaboom.market.bar import BarSeries

#: The keys of advisory locks: a writer shares `_GATE` until its commit; the makers of partitions take `_LAYOUT`.
_GATE, _LAYOUT = 0x62617273, 0x62617274
_SERIES = "SELECT id FROM bar_series WHERE source = %s AND interval = %s"
_ADD_SERIES = "INSERT INTO bar_series (source, interval) VALUES (%s, %s) ON CONFLICT DO NOTHING"
_NAME = "INSERT INTO bar_symbol SELECT %s, u FROM unnest(%s::text[]) AS u ON CONFLICT DO NOTHING"
#: Counts a write to a series, in its transaction.
NOTE_WRITE = """
INSERT INTO bar_writes VALUES (%s, pg_backend_pid() %% 16, 1)
ON CONFLICT (series, slot) DO UPDATE SET n = bar_writes.n + 1
"""
_WRITES = "SELECT coalesce(sum(n), 0)::bigint FROM bar_writes WHERE series = %s"
#: The shard of daily bars, whose buckets are years; and the name of a partition.
_ALL, _EVER = "all", (0, 10_000)
_PARTITION = re.compile(r"bar_page_([0-9]{1,5})_([12][0-9]{3}|all)")
#: Results that are remembered; one of sixty sessions of a market takes 6 MB.
_REMEMBERED = 4
_PARTITIONS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('bar_page') AND c.relname LIKE %s ORDER BY c.relname
"""
_UNKNOWN = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
WHERE i.inhparent = to_regclass('bar_page')
AND NOT EXISTS (SELECT 1 FROM bar_series s WHERE c.relname ~ ('^bar_page_' || s.id || '_')) ORDER BY c.relname
"""
_NOW = "SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint"


@dataclass(slots=True)
class BarTables:
    """The tables of one database.

    Attributes:
        series: the numbers of series, which never change.
        partitions: the partitions that are known to exist.
        symbols: the symbols of each series, by its number, that are known to be in `bar_symbol`.
        remembered: results by the number of their series and a range, with the number of writes that they are of.

    """

    database: BlockingDatabase
    series: dict[BarSeries, int] = field(default_factory=dict)
    partitions: set[str] = field(default_factory=set)
    symbols: dict[int, set[str]] = field(default_factory=dict)
    remembered: OrderedDict[tuple[int, ...], tuple[int, pl.DataFrame]] = field(default_factory=OrderedDict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    def find(self, sql: Statements, series: BarSeries) -> int | None:
        """Return the number of a series; None if it has none, so that nothing is stored of it.

        Raises:
            InvalidRequest: the source's name is not a plain lower-case name.

        """
        check_source(series.source)
        if series not in self.series:
            rows = sql.rows(_SERIES, (series.source, series.interval.value))
            if not rows:
                return None
            self.series[series] = rows[0][0]
        return self.series[series]

    def prepare(self, series: BarSeries, buckets: Iterable[int] = (), symbols: Collection[str] = ()) -> int:
        """Return the number of a series, which gets one, the partitions of some buckets, and some symbols.

        This commits before the bars are written, so that no writer holds a page while it waits for a name.

        Raises:
            InvalidRequest: the source's name is not a plain lower-case name.

        """
        check_source(series.source)
        number = self._prepare(series, buckets)
        known = self.symbols.setdefault(number, set())
        if new := sorted(set(symbols) - known):
            with self.database.writing() as sql:
                sql.run(_NAME, (number, new))
            known.update(new)
        return number

    def _prepare(self, series: BarSeries, buckets: Iterable[int]) -> int:
        spans = {span_of(series, bucket) for bucket in buckets}
        with self._guard:
            number = self.series.get(series)
            if number is not None and all(_name(number, name) in self.partitions for name, _, _ in spans):
                return number
            with self.database.writing(f"SELECT pg_advisory_xact_lock({_LAYOUT})") as sql:
                sql.run(_ADD_SERIES, (series.source, series.interval.value))
                number = int(sql.rows(_SERIES, (series.source, series.interval.value))[0][0])
                for name, first, end in sorted(spans):
                    _add_partition(sql, _name(number, name), (number, first, end))
            self.series[series] = number
            self.partitions |= {_name(number, name) for name, _, _ in spans}
            return number

    def remember(self, sql: Statements, key: tuple[int, ...], read: Callable[[], pl.DataFrame]) -> pl.DataFrame:
        """Return the result of `read` for a series and a range, from memory if nothing was written since."""
        writes = sql.rows(_WRITES, key[:1])[0][0]
        with self._guard:
            known = self.remembered.pop(key, None)
        found = known if known is not None and known[0] == writes else (writes, read())
        with self._guard:
            self.remembered[key] = found
            while len(self.remembered) > _REMEMBERED:
                self.remembered.popitem(last=False)
        return found[1]


def span_of(series: BarSeries, bucket: int) -> tuple[str, int, int]:
    """Return the shard that holds a bucket: its name, its first bucket, and the first bucket after it."""
    if not series.interval.is_intraday:
        return _ALL, *_EVER
    year = to_session(bucket).year
    return f"{year:04d}", *_year(year)


def span_named(series: BarSeries, shard: str) -> tuple[int, int]:
    """Return the first bucket of a shard, and the first one after it."""
    return _year(int(shard)) if series.interval.is_intraday else _EVER


def page_name(series: BarSeries, symbol: str, bucket: int) -> str:
    """Return the name of a page in errors: its series, symbol, and session or year."""
    return f"{series.source}/{series.interval} {symbol} {name_bucket(bucket, is_year=not series.interval.is_intraday)}"


def writing(tables: BarTables, *, is_synced: bool = True) -> AbstractContextManager[Statements]:
    """Return a transaction in which bars are written: readers of a moment wait for those that may be before it.

    One that is not `is_synced` does not wait for the disk: a crash of the server may lose its last half second.
    """
    if is_synced:
        return tables.database.writing(f"SELECT pg_advisory_xact_lock_shared({_GATE})")
    return tables.database.writing(f"SELECT pg_advisory_xact_lock_shared({_GATE}); SET LOCAL synchronous_commit = off")


def note_write(sql: Statements, number: int) -> None:
    """Count a write to a series, in its transaction."""
    sql.run(NOTE_WRITE, (number,))


def wait_for_writers(tables: BarTables) -> int:
    """Wait until every writer that has begun has ended; return the time before later ones, in µs since 1970."""
    with tables.database.writing(f"SELECT pg_advisory_xact_lock({_GATE})") as sql:
        return server_time(sql)


def server_time(sql: Statements) -> int:
    """Return the time of the server, in µs since 1970."""
    return int(sql.rows(_NOW)[0][0])


def _year(year: int) -> tuple[int, int]:
    return to_day(date(year, 1, 1)), to_day(date(year + 1, 1, 1))


def _name(number: int, shard: str) -> str:
    return f"bar_page_{number}_{shard}"


def _add_partition(sql: Statements, name: str, span: tuple[int, int, int]) -> None:
    """Create a partition, unless it exists; other transactions read and write the others meanwhile."""
    if sql.rows("SELECT to_regclass(%s) IS NOT NULL", (name,))[0][0]:
        return
    number, first, end = map(composed.Literal, span)
    table = composed.Identifier(name)
    # Unlike CREATE TABLE … PARTITION OF, which waits for all readers of the table, and lets no other begin.
    sql.run(composed.SQL("CREATE TABLE {} (LIKE bar_page INCLUDING DEFAULTS INCLUDING STORAGE)").format(table))
    attach = composed.SQL("ALTER TABLE bar_page ATTACH PARTITION {} FOR VALUES FROM ({}, {}) TO ({}, {})")
    sql.run(attach.format(table, number, first, number, end))


def list_shards(sql: Statements, number: int) -> tuple[str, ...]:
    """Return the names of the shards of a series, oldest first."""
    prefix = _name(number, "")
    return tuple(row[0].removeprefix(prefix) for row in sql.rows(_PARTITIONS, (f"{prefix.replace('_', '\\_')}%",)))


def list_unknown(sql: Statements) -> tuple[str, ...]:
    """Return the names of the partitions whose series `bar_series` does not have."""
    return tuple(name for (name,) in sql.rows(_UNKNOWN))


def size_of(sql: Statements, number: int, shard: str) -> int:
    """Return the bytes of a shard with its indexes."""
    return int(sql.rows("SELECT coalesce(pg_total_relation_size(to_regclass(%s)), 0)", (_name(number, shard),))[0][0])


def count_writes(tables: BarTables) -> str:
    """Return a text that changes with every write."""
    with tables.database.reading() as sql:
        return str(sql.rows("SELECT sum(n)::bigint FROM bar_writes")[0][0])


def make_partitions(url: str, tables: Iterable[str]) -> None:
    """Create the partitions of pages that are among some tables, such as those of a dump; raises StoreError."""
    found = [match for name in sorted(tables) if (match := _PARTITION.fullmatch(name))]
    if not found:
        return
    database = BlockingDatabase(url, application_name="kaboom restore")
    with database.writing(f"SELECT pg_advisory_xact_lock({_LAYOUT})") as sql:
        for match in found:
            number, shard = int(match[1]), match[2]
            _add_partition(sql, match[0], (number, *(_year(int(shard)) if shard != _ALL else _EVER)))
    database.close()
