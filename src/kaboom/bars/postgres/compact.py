"""Dropping old pages and the history of bars that were replaced long ago."""

from datetime import date, datetime

from kaboom.bars.folder.moments import to_us
from kaboom.bars.normalise import to_day
from kaboom.bars.pages.quarantine import EVERY_TIME
from kaboom.bars.pages.read import bucket_of
from kaboom.bars.postgres.tables import BarTables, list_shards, note_write, size_of, span_named, writing
from kaboom.bars.store import Compaction, OldBars
from kaboom.drivers.postgres.blocking import Statements
from kaboom.drivers.stop import ShouldStop, check_stop, never
from kaboom.market.bar import BarSeries

_DAY_US = 86_400_000_000
#: Days; in microseconds they are an integer of 64 bits.
_FOREVER = 10**6
_SPAN = "series = %s AND bucket >= %s AND bucket < %s"
_COUNT = f"""
SELECT count(DISTINCT bucket), coalesce(sum(n), 0)::bigint, count(*), coalesce(sum(length(data)), 0)::bigint
FROM bar_page WHERE {_SPAN}
"""  # noqa: S608 (a constant)
#: In the order of writers, so that none waits for a compaction that waits for it.
_LOCK = f"SELECT 1 FROM bar_page WHERE {_SPAN} ORDER BY symbol, bucket FOR UPDATE"  # noqa: S608 (a constant)
_DROP = (f"DELETE FROM bar_page WHERE {_SPAN}", f"DELETE FROM bar_replaced WHERE {_SPAN}")  # noqa: S608 (a constant)
_DROP_ROWS = "DELETE FROM bar_quarantine WHERE series = %s AND opened_at > %s AND opened_at >= %s AND opened_at < %s"
_DROP_FETCHES = "DELETE FROM bar_fetch WHERE series = %s AND last >= %s AND first < %s"
_CUT_FETCHES = """
INSERT INTO bar_fetch (series, symbol, last, first, bars, at)
SELECT series, symbol, last, %s, bars, at FROM bar_fetch WHERE series = %s AND last >= %s AND first < %s
ON CONFLICT DO NOTHING
"""
_BEGIN = "UPDATE bar_series SET history_from = greatest(history_from, %s) WHERE id = %s"
_FORGET = f"DELETE FROM bar_replaced WHERE {_SPAN} AND at <= %s"  # noqa: S608 (a constant)


def list_dated(tables: BarTables, series: BarSeries) -> tuple[str, ...]:
    """Return the names of a series' shards, oldest first."""
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        return () if number is None else list_shards(sql, number)


def count_older(tables: BarTables, series: BarSeries, shard: str, *, before: date) -> OldBars:
    """Count the bars of a shard in sessions before a day; daily bars in years before the year of that day."""
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        return OldBars() if number is None else _count(sql, number, _span(series, shard, before))


def compact_shard(
    tables: BarTables,
    series: BarSeries,
    shard: str,
    *,
    before: date | None,
    history_from: datetime | None = None,
    should_stop: ShouldStop = never,
) -> Compaction:
    """Drop the bars of a shard in sessions before a day, if one is given; PostgreSQL's vacuum gives their space back.

    Bars that were replaced before `history_from` are dropped, too.

    Raises:
        Stopped: `should_stop` turned true before anything was dropped.

    """
    check_stop(should_stop)
    with tables.database.reading() as sql:
        number = tables.find(sql, series)
        if number is None:
            return Compaction(OldBars())
        size = size_of(sql, number, shard)
    with writing(tables) as sql:
        dropped = OldBars() if before is None else _drop(sql, series, number, (shard, before))
        if history_from is not None:
            _forget(sql, series, number, (shard, to_us(history_from)))
        note_write(sql, number)
        # Raised before the commit, it rolls everything back.
        check_stop(should_stop)
    with tables.database.reading() as sql:
        return Compaction(dropped, size, size_of(sql, number, shard))


def begin_history(tables: BarTables, series: BarSeries, moment: datetime) -> None:
    """Refuse to read a series as of an earlier moment: its bars were known elsewhere."""
    number = tables.prepare(series)
    with writing(tables) as sql:
        sql.run(_BEGIN, (to_us(moment), number))


def _span(series: BarSeries, shard: str, before: date) -> tuple[int, int]:
    first, end = span_named(series, shard)
    return first, min(end, bucket_of(series.interval, before))


def _count(sql: Statements, number: int, span: tuple[int, int]) -> OldBars:
    return OldBars(*sql.rows(_COUNT, (number, *span))[0])


def _drop(sql: Statements, series: BarSeries, number: int, older: tuple[str, date]) -> OldBars:
    """Drop the pages of a shard before a date, with their rejected rows and fetches; return how many were dropped."""
    shard, before = older
    span = _span(series, shard, before)
    sql.run(_LOCK, (number, *span))
    dropped = _count(sql, number, span)
    for statement in _DROP:
        sql.run(statement, (number, *span))
    first, day = span
    if not series.interval.is_intraday:
        first, day = -_FOREVER, to_day(date(before.year, 1, 1))
    sql.run(_DROP_ROWS, (number, EVERY_TIME, first * _DAY_US, day * _DAY_US))
    # An entry without its bars would mean that they are lost.
    sql.run(_CUT_FETCHES, (day, number, day, day))
    sql.run(_DROP_FETCHES, (number, first, day))
    return dropped


def _forget(sql: Statements, series: BarSeries, number: int, older: tuple[str, int]) -> None:
    """Drop the bars that were replaced before a moment; earlier moments cannot be read any more."""
    shard, at = older
    first, end = span_named(series, shard)
    if sql.run(_FORGET, (number, first, end, at)):
        sql.run(_BEGIN, (at, number))
