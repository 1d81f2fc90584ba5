"""What providers answered, beside the pages: runs of sessions by symbol."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from batch.bars.coverage.asked import RUN_SCHEMA, from_runs, to_runs
from batch.bars.folder.errors import store_errors
from batch.bars.normal import to_day, to_session
from batch.bars.pages.files import ALL, PageFile, PageFiles
from batch.bars.pages.read import dated_shards, shards_between, within_month
from batch.bars.pages.schema import CREATE_ASKED
from batch.bars.pages.write import give_sids, transaction
from batch.bars.store import ASKED_SCHEMA
from batch.market.bar import BarSeries

# A run within the new one is older news.
_DROP = "DELETE FROM asked WHERE sid = ? AND first >= ? AND last <= ?"
_PUT = "INSERT INTO asked (sid, first, last, bars, at) VALUES (?, ?, ?, ?, ?)"
_GET = """
SELECT s.symbol, a.first, a.last, a.bars, a.at FROM asked a JOIN sym s ON s.id = a.sid
WHERE a.first <= ? AND a.last >= ?
"""
_HAS = "SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = 'asked')"
#: Bars lie in files by month, so what was answered does, too.
_MONTH = "%Y-%m"


def save_asked(files: PageFiles, series: BarSeries, asked: pl.DataFrame) -> None:
    """Keep what a provider answered, in `ASKED_SCHEMA`.

    Raises:
        StoreError: it cannot be kept.

    """
    for shard, part in _by_shard(series, asked):
        runs = to_runs(part)
        file = files.open_or_create(files.path(series, shard))
        with _unhurried(file), transaction(file) as sql:
            _put(file, sql, runs)


def load_asked(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest answer on each symbol and session in `ASKED_SCHEMA`; of an older file, none.

    Raises:
        StoreError: a file cannot be read.

    """
    if first > last:
        return pl.DataFrame(schema=ASKED_SCHEMA)
    days = to_day(first), to_day(last)
    is_intraday = series.interval.is_intraday
    shards = shards_between(files, series, *days) if is_intraday else dated_shards(files, series)
    told = [
        _answered(files.path(series, shard), files, within_month(shard, days) if is_intraday else days)
        for shard in shards
    ]
    both = pl.concat([pl.DataFrame(schema=ASKED_SCHEMA), *told])
    # As of coverage: the files come oldest first, each sorted.
    return both.sort("symbol", maintain_order=True) if len(told) > 1 else both


def _answered(path: Path, files: PageFiles, days: tuple[int, int]) -> pl.DataFrame:
    """Read the notes of one file (2 µs each), or remember them where nobody has committed since."""
    with store_errors(path):
        file = files.open(path)
        if file is None or not file.sql.execute(_HAS).fetchone()[0]:
            return pl.DataFrame(schema=ASKED_SCHEMA)
        return file.remember("asked", days, lambda: _to_answers(file.sql.execute(_GET, days[::-1]).fetchall(), days))


def _to_answers(rows: list[Any], days: tuple[int, int]) -> pl.DataFrame:
    if not rows:
        return pl.DataFrame(schema=ASKED_SCHEMA)
    # By columns: by rows it takes polars five times as long.
    columns = dict(zip(RUN_SCHEMA, zip(*rows, strict=True), strict=True))
    types = {"first": pl.Int32(), "last": pl.Int32(), "asked_at": pl.Int64()}
    runs = pl.DataFrame(columns, schema={**RUN_SCHEMA, **types}).cast(RUN_SCHEMA)
    return from_runs(runs, first=to_session(days[0]), last=to_session(days[1]))


def _by_shard(series: BarSeries, asked: pl.DataFrame) -> Iterable[tuple[str, pl.DataFrame]]:
    if not series.interval.is_intraday:
        return [(ALL, asked)]
    months = asked["session"].dt.strftime(_MONTH)
    if months.n_unique() == 1:
        return [(months[0], asked)]
    return [(month, asked.filter(months == month)) for month in months.unique()]


def _put(file: PageFile, sql: sqlite3.Connection, runs: pl.DataFrame) -> None:
    sql.execute(CREATE_ASKED)
    sids = give_sids(file, runs["symbol"].to_list())
    first, last, bars, at = (runs[name].to_physical().to_list() for name in ("first", "last", "bars", "asked_at"))
    sql.executemany(_DROP, zip(sids, first, last, strict=True))
    sql.executemany(_PUT, zip(sids, first, last, bars, at, strict=True))


@contextmanager
def _unhurried(file: PageFile) -> Iterator[None]:
    """Commit without waiting for the disk: what a power cut takes is asked for again."""
    with store_errors(file.path):
        file.sql.execute("PRAGMA synchronous = NORMAL")
        try:
            yield
        finally:
            file.sql.execute("PRAGMA synchronous = FULL")
