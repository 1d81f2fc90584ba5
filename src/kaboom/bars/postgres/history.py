"""Reading pages as they were at a moment: bars replaced later are put back."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any, LiteralString

import polars as pl

from kaboom.bars.folder.moments import check_reach, moved_away, to_us
from kaboom.bars.normalise import to_day, to_seconds, to_session
from kaboom.bars.pages.codec import PageColumns
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.history.replaced_bars import LOST, WIDE, PastPage, decode_past, find_cut
from kaboom.bars.pages.read import bucket_of
from kaboom.bars.postgres.read import count_pages
from kaboom.bars.postgres.tables import BarTables, page_name, wait_for_writers
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.blocking import Statements
from kaboom.errors import StoreError
from kaboom.market.bar import BarSeries, empty_bars

_DAY_S = 86_400
_EVERY_BUCKET = 2**31 - 1
#: Moments older than this have no writer that may still commit: a statement ends before.
_RECENT_US = 120_000_000
#: How far the clock of this machine may be ahead of the server's.
_MOST_AHEAD_US = 5_000_000
_WITHIN = "series = %s AND bucket BETWEEN %s AND %s"
_OF_SYMBOL = f"{_WITHIN} AND symbol = %s"
#: The arrays are for the planner, which would read all rows of a partition that was not analysed yet.
_AMONG = (
    "series = %s AND bucket = ANY(%s::int[]) AND symbol = ANY(%s::text[])"
    " AND (bucket, symbol) IN (SELECT u.* FROM unnest(%s::int[], %s::text[]) AS u)"
)
_PAGES = "SELECT symbol, bucket, data, grown FROM bar_page WHERE {which} AND since <= %s"
_REPLACED = "SELECT symbol, bucket, data, at FROM bar_replaced WHERE {which} AND at > %s ORDER BY at"
_MOVED = f"SELECT symbol, bucket, since FROM bar_page WHERE {_WITHIN} AND moved > %s"  # noqa: S608 (a constant)
_NEWEST = """
SELECT p.bucket, s.symbol FROM (SELECT symbol FROM bar_symbol WHERE series = %s) s, LATERAL (
    SELECT bucket FROM bar_page p WHERE p.series = %s AND p.symbol = s.symbol AND p.since <= %s
    ORDER BY bucket DESC LIMIT 1
) p
"""
#: Pages that a repair moved away; such a row is empty.
_GONE = "SELECT symbol, bucket, at FROM bar_replaced WHERE {which} AND at > %s AND data = '' LIMIT 1"
_BEGIN = "SELECT history_from FROM bar_series WHERE id = %s"


@dataclass(frozen=True, slots=True)
class Past:
    """A moment to read the tables at, and the clock of the moments, which is the server's if none is given."""

    tables: BarTables
    moment: datetime
    clock: Clock | None


def read_bars(past: Past, series: BarSeries, *, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one symbol's bars with `start <= opened_at < end`, in `BAR_SCHEMA`.

    Raises:
        InvalidRequest: a time has no zone, or the history does not reach back to the moment.

    """
    start_s, end_s = to_seconds(start, "start"), to_seconds(end, "end")
    if start_s >= end_s:
        return empty_bars()
    buckets = (bucket_of(series.interval, to_session(s // _DAY_S)) for s in (start_s, end_s - 1))
    with _opened(past, series) as held:
        if held is None:
            return empty_bars()
        symbols, columns = held.load(_OF_SYMBOL, (held.number, *buckets, symbol))
    return to_frame(symbols, keep_between(columns, start_s, end_s))


def read_sessions(past: Past, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return every symbol's bars from session `first` to `last` inclusive, in `BAR_SCHEMA`."""
    with _opened(past, series) as held:
        found = [] if held is None else list(held.read_buckets(first, last))
    return pl.concat([empty_bars(), *found]).sort("symbol", "opened_at")


def coverage(past: Past, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`.

    Pages of minutes that have not changed since are read from the index; others, and daily bars, are decoded.
    """
    counted = [pl.DataFrame(schema=COVERAGE_SCHEMA)]
    if first <= last:
        with _opened(past, series) as held:
            if held is not None and series.interval.is_intraday:
                counted.append(held.recount((to_day(first), to_day(last))))
            elif held is not None:
                counted += [count_sessions(bars) for bars in held.read_buckets(first, last)]
    return pl.concat(counted).sort("symbol", "session")


def latest(past: Past, series: BarSeries, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`."""
    with _opened(past, series) as held:
        if held is None:
            return empty_bars()
        rows = held.sql.rows(_NEWEST, (held.number, held.number, held.at))
        pages = [row for row in rows if not symbols or row[1] in set(symbols)]
        oldest = min((bucket for bucket, _ in pages), default=-_EVERY_BUCKET)
        held.check_none_gone(_WITHIN, (held.number, oldest, _EVERY_BUCKET))
        bars = to_frame(*held.load_some(pages))
    return bars.group_by("symbol", maintain_order=True).tail(1).select(empty_bars().columns)


@dataclass(frozen=True, slots=True)
class _Held:
    """One state of the tables of a series, and a moment in µs since 1970."""

    sql: Statements
    series: BarSeries
    number: int
    at: int

    def load(self, which: LiteralString, values: tuple[Any, ...]) -> tuple[list[str], PageColumns]:
        """Return the symbols and bars of some pages at the moment, sorted by symbol, then bucket."""
        rows = sorted(self.sql.rows(_PAGES.format(which=which), (*values, self.at)), key=lambda row: row[:2])
        number = {row[:2]: i for i, row in enumerate(rows)}
        replaced = self.sql.rows(_REPLACED.format(which=which), (*values, self.at))
        for symbol, bucket, data, at in replaced:
            if data == LOST:
                raise moved_away(page_name(self.series, symbol, bucket), at)
        undone = [(number[row[:2]], row[2]) for row in replaced if row[:2] in number]
        pages = [PastPage(*row) for row in rows]
        columns = decode_past(
            pages,
            undone,
            cut_of=partial(find_cut, no=self.at, newest=WIDE),
            name_of=lambda page: page_name(self.series, page.symbol, page.bucket),
        )
        return [page.symbol for page in pages], columns

    def check_none_gone(self, which: LiteralString, values: tuple[Any, ...]) -> None:
        """Check that a repair has moved none of some pages away since the moment; raises InvalidRequest."""
        for symbol, bucket, at in self.sql.rows(_GONE.format(which=which), (*values, self.at)):
            raise moved_away(page_name(self.series, symbol, bucket), at)

    def load_some(self, pages: Sequence[tuple[int, str]]) -> tuple[list[str], PageColumns]:
        """Return the symbols and bars of pages by bucket and symbol."""
        keys = [page[0] for page in pages], [page[1] for page in pages]
        return self.load(_AMONG, (self.number, *keys, *keys))

    def read_buckets(self, first: date, last: date) -> Iterator[pl.DataFrame]:
        """Yield the bars of the days `first` to `last` a session at a time, daily bars a year at a time."""
        first_s, end_s = to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S
        for bucket in range(bucket_of(self.series.interval, first), bucket_of(self.series.interval, last) + 1):
            symbols, columns = self.load(_WITHIN, (self.number, bucket, bucket))
            if symbols:
                yield to_frame(symbols, keep_between(columns, first_s, end_s))

    def recount(self, days: tuple[int, int]) -> pl.DataFrame:
        """Return the coverage of some days of minutes, from the coverage now and the pages that changed since."""
        self.check_none_gone(_WITHIN, (self.number, *days))
        held_now = count_pages(self.sql, self.series, self.number, days)
        moved = self.sql.rows(_MOVED, (self.number, *days, self.at))
        if not moved:
            return held_now
        key = {name: COVERAGE_SCHEMA[name] for name in ("symbol", "session")}
        rows = pl.DataFrame([(symbol, to_session(bucket)) for symbol, bucket, _ in moved], schema=key, orient="row")
        kept = held_now.join(rows, on=list(key), how="anti")
        changed = [(bucket, symbol) for symbol, bucket, since in moved if since <= self.at]
        return pl.concat([kept, count_sessions(to_frame(*self.load_some(changed)))])


@contextmanager
def _opened(past: Past, series: BarSeries) -> Iterator[_Held | None]:
    """Open a series in one snapshot of the database, which has every write up to the moment.

    Yields None if nothing is stored of the series.
    """
    at = to_us(past.moment)
    _settle(past, at)
    with past.tables.database.reading() as sql:
        number = past.tables.find(sql, series)
        if number is None:
            yield None
            return
        check_reach(f"{series.source}/{series.interval}", sql.rows(_BEGIN, (number,))[0][0], at)
        yield _Held(sql, series, number, at)


def _settle(past: Past, at: int) -> None:
    """Wait for the writers that may have begun before a recent moment, and until the server's clock has reached it.

    Raises:
        StoreError: the clock of this machine is far ahead of the server's.

    """
    if to_us(utc_now()) - at > _RECENT_US:
        return
    ahead_us = at - wait_for_writers(past.tables)
    if past.clock is None and ahead_us >= 0:
        if ahead_us > _MOST_AHEAD_US:
            raise StoreError(f"the clock of this machine was {ahead_us / 1e6:.1f} s ahead of PostgreSQL's")
        time.sleep(ahead_us / 1e6 + 0.001)
        wait_for_writers(past.tables)
