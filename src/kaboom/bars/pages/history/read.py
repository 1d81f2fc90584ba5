"""Reading pages as they were at a moment: bars replaced later are put back. Errors are raised as StoreError."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from functools import partial
from typing import Any

import polars as pl

from kaboom.bars.folder.moments import moved_away
from kaboom.bars.normalise import to_day, to_seconds, to_session
from kaboom.bars.pages.codec import PageColumns, damaged_page
from kaboom.bars.pages.files import PageFile, PageFiles, page_name
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.headers import count_pages
from kaboom.bars.pages.history.moments import damaged_moments, snapshot_at
from kaboom.bars.pages.history.replaced_bars import LOST, PastPage, decode_past, find_cut, has_grown
from kaboom.bars.pages.read import bucket_of, dated_shards, shards_between, within_month
from kaboom.bars.pages.schema import SID_BITS
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.drivers.clock import Clock
from kaboom.errors import InvalidRequest, StoreDamaged
from kaboom.market.bar import BarSeries, empty_bars

_DAY_S = 86_400
_BETWEEN = "BETWEEN ? AND ?"
_SID = (1 << SID_BITS) - 1
_MOVED = "SELECT id, coalesce(since, 0) > ?, grown FROM page WHERE id BETWEEN ? AND ?"
_AMONG = "IN (SELECT value FROM json_each(?))"
#: Without history, as in files of an older Kaboom, `since` and `grown` do not exist.
_PAGES = f"""
SELECT p.id, s.symbol, p.id >> {SID_BITS}, CAST(p.data AS BLOB), {{grown}} FROM page p JOIN sym s ON s.id = p.sid
WHERE p.id {{which}}
"""  # noqa: S608 (a constant)
_KNOWN = " AND coalesce(p.since, 0) <= ?"
_REPLACED = "SELECT page, CAST(data AS BLOB), no FROM replaced WHERE page {which} AND no > ? ORDER BY no"
_NEWEST = f"""
SELECT (
    SELECT q.bucket << {SID_BITS} | s.id FROM page q INDEXED BY cov
    WHERE q.sid = s.id {{known}} ORDER BY q.bucket DESC LIMIT 1
) AS page, s.symbol FROM json_each(?) wanted JOIN sym s ON s.symbol = wanted.value
"""  # noqa: S608 (a constant)

type _Row = tuple[int, str, int, bytes, bytes | None]


@dataclass(frozen=True, slots=True)
class Past:
    """A moment to read page files at, and the clock that says how long ago it is."""

    files: PageFiles
    moment: datetime
    clock: Clock


def read_bars(past: Past, series: BarSeries, *, symbol: str, start: datetime, end: datetime) -> pl.DataFrame:
    """Return one symbol's bars with `start <= opened_at < end`, in `BAR_SCHEMA`.

    Raises:
        InvalidRequest: a time has no zone, or the history does not reach back to the moment.

    """
    start_s, end_s = to_seconds(start, "start"), to_seconds(end, "end")
    if start_s >= end_s:
        return empty_bars()
    first, last = (bucket_of(series.interval, to_session(s // _DAY_S)) for s in (start_s, end_s - 1))
    found = [empty_bars()]
    for shard in shards_between(past.files, series, first, last):
        oldest, newest = within_month(shard, (first, last))
        with _opened(past, series, shard) as held:
            if held is not None:
                row = held.file.sql.execute("SELECT id FROM sym WHERE symbol = ?", (symbol,)).fetchone()
                ids = [bucket << SID_BITS | row[0] for bucket in range(oldest, newest + 1)] if row else []
                symbols, columns = held.load(_AMONG, (json.dumps(ids),))
                found.append(to_frame(symbols, keep_between(columns, start_s, end_s)))
    return pl.concat(found)


def read_sessions(past: Past, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return every symbol's bars from session `first` to `last` inclusive, in `BAR_SCHEMA`."""
    return pl.concat([empty_bars(), *_read_buckets(past, series, first, last)]).sort("symbol", "opened_at")


def coverage(past: Past, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`.

    Intraday pages that have not changed since are read from the index; others, and pages of daily bars, are decoded.
    """
    if first > last:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    if series.interval.is_intraday:
        counted = list(_count_shards(past, series, first, last))
    else:
        counted = [count_sessions(bars) for bars in _read_buckets(past, series, first, last)]
    return pl.concat([pl.DataFrame(schema=COVERAGE_SCHEMA), *counted]).sort("symbol", "session")


def _count_shards(past: Past, series: BarSeries, first: date, last: date) -> Iterator[pl.DataFrame]:
    days = to_day(first), to_day(last)
    for shard in shards_between(past.files, series, *days):
        with _opened(past, series, shard) as held:
            if held is not None:
                between = within_month(shard, days)
                held_now = count_pages(held.file, between)
                yield held_now if held.no is None else _recount(held, held.no, held_now, between)


def _recount(held: "_Held", no: int, held_now: pl.DataFrame, between: tuple[int, int]) -> pl.DataFrame:
    """Return a file's coverage at a moment, from its coverage now and the bars of the pages that changed since."""
    new, changed = held.find_changed(no, (between[0] << SID_BITS, ((between[1] + 1) << SID_BITS) - 1))
    if not new and not changed:
        return held_now
    names = dict(held.file.sql.execute("SELECT id, symbol FROM sym"))
    moved = [(names.get(page & _SID), to_session(page >> SID_BITS)) for page in (*new, *changed)]
    key = {name: COVERAGE_SCHEMA[name] for name in ("symbol", "session")}
    kept = held_now.join(pl.DataFrame(moved, schema=key, orient="row"), on=list(key), how="anti")
    before = count_sessions(to_frame(*held.load(_AMONG, (json.dumps(changed),))))
    return pl.concat([kept, before])


def latest(past: Past, series: BarSeries, *, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`."""
    found = dict[str, pl.DataFrame]()
    for shard in reversed(dated_shards(past.files, series)):
        if symbols and found.keys() >= set(symbols):
            break
        with _opened(past, series, shard) as held:
            if held is not None:
                known = {symbol for (symbol,) in held.file.sql.execute("SELECT symbol FROM sym")}
                wanted = (known & set(symbols) if symbols else known) - found.keys()
                bars = to_frame(*held.load_newest(sorted(wanted)))
                found |= {name: rows.tail(1) for (name,), rows in bars.group_by("symbol", maintain_order=True)}
    return pl.concat([empty_bars(), *(found[symbol] for symbol in sorted(found))])


def _read_buckets(past: Past, series: BarSeries, first: date, last: date) -> Iterator[pl.DataFrame]:
    """Yield the bars of the days `first` to `last` a session at a time, daily bars a year: this bounds the memory."""
    first_s, end_s = to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S
    span = bucket_of(series.interval, first), bucket_of(series.interval, last)
    for shard in shards_between(past.files, series, *span):
        oldest, newest = within_month(shard, span)
        with _opened(past, series, shard) as held:
            if held is None:
                continue
            for bucket in range(oldest, newest + 1):
                symbols, columns = held.load(_BETWEEN, (bucket << SID_BITS, ((bucket + 1) << SID_BITS) - 1))
                if symbols:
                    yield to_frame(symbols, keep_between(columns, first_s, end_s))


@dataclass(frozen=True, slots=True)
class _Held:
    """One state of a file, and the number of the last moment that counts; None if the file keeps no history."""

    file: PageFile
    no: int | None

    def load(self, which: str, values: tuple[Any, ...]) -> tuple[list[str], PageColumns]:
        """Return the symbols and bars of the pages whose id is `which`, sorted by symbol, then bucket."""
        if self.no is None:
            return self._decode(self.file.sql.execute(_PAGES.format(grown="NULL", which=which), values))
        found = self.file.sql.execute(_PAGES.format(grown="p.grown", which=which) + _KNOWN, (*values, self.no))
        replaced = self.file.sql.execute(_REPLACED.format(which=which), (*values, self.no)).fetchall()
        return self._decode(found, replaced)

    def find_changed(self, no: int, ids: tuple[int, int]) -> tuple[list[int], list[int]]:
        """Return the pages between two ids that were added since moment `no`, and those that were changed since."""
        sql = "SELECT DISTINCT page FROM replaced WHERE page BETWEEN ? AND ? AND no > ?"
        replaced = {page for (page,) in self.file.sql.execute(sql, (*ids, no))}
        new, changed = list[int](), list[int]()
        for page, is_new, grown in self.file.sql.execute(_MOVED, (no, *ids)):
            if is_new:
                new.append(page)
            elif page in replaced or has_grown(grown, no):
                changed.append(page)
        # A page that was removed has a row too; loading it reports this.
        return new, sorted(changed) + sorted(replaced - {*new, *changed})

    def load_newest(self, symbols: list[str]) -> tuple[list[str], PageColumns]:
        """Return the symbols and bars of the newest page of each symbol."""
        known = "" if self.no is None else "AND coalesce(q.since, 0) <= ?"
        values = (json.dumps(symbols),) if self.no is None else (self.no, json.dumps(symbols))
        newest = self.file.sql.execute(_NEWEST.format(known=known), values).fetchall()
        pages = {page: symbol for page, symbol in newest if page is not None}
        if self.no is not None:
            self._check_none_lost(min(pages, default=0))
        symbols, columns = self.load(_AMONG, (json.dumps(list(pages)),))
        if missing := set(pages.values()) - set(symbols):
            page, symbol = next(pair for pair in pages.items() if pair[1] in missing)
            raise damaged_page(page_name(self.file.path, symbol, page >> SID_BITS), "it is not where the index has it")
        return symbols, columns

    def _decode(
        self, found: Iterable[_Row], replaced: Sequence[tuple[int, bytes, int]] = ()
    ) -> tuple[list[str], PageColumns]:
        for page, data, no in replaced:
            if data == LOST:
                raise self._lost(page, no)
        rows = sorted(found, key=lambda row: row[1:3])
        number = {row[0]: i for i, row in enumerate(rows)}
        pages = [PastPage(*row[1:5]) for row in rows]
        undone = [(number[page], data) for page, data, _ in replaced if page in number]
        columns = decode_past(
            pages,
            undone,
            cut_of=partial(find_cut, no=self.no or 0),
            name_of=lambda page: page_name(self.file.path, page.symbol, page.bucket),
        )
        return [row[1] for row in rows], columns

    def _check_none_lost(self, first: int) -> None:
        sql = "SELECT page, no FROM replaced WHERE page >= ? AND no > ? AND data = ? LIMIT 1"
        for page, no in self.file.sql.execute(sql, (first >> SID_BITS << SID_BITS, self.no, LOST)):
            raise self._lost(page, no)

    def _lost(self, page: int, no: int) -> InvalidRequest | StoreDamaged:
        moment = self.file.sql.execute("SELECT at FROM moment WHERE no = ?", (no,)).fetchone()
        if moment is None:
            return damaged_moments(self.file.sql, f"the one of number {no} is missing")
        row = self.file.sql.execute("SELECT symbol FROM sym WHERE id = ?", (page & (1 << SID_BITS) - 1,)).fetchone()
        name = page_name(self.file.path, row[0] if row else "", page >> SID_BITS)
        return moved_away(name, moment[0])


@contextmanager
def _opened(past: Past, series: BarSeries, shard: str) -> Iterator[_Held | None]:
    with past.files.opened(series, shard) as file:
        if file is None:
            yield None
            return
        with snapshot_at(file, past.moment, past.clock()) as no:
            yield _Held(file, no)
