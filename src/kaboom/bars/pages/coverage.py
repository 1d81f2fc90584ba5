"""Coverage, read from page headers that match their checksums, many rows at once. Errors are raised as StoreError."""

import sqlite3
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import structlog

from kaboom.bars.coverage.count import count_sessions
from kaboom.bars.normalise import to_day
from kaboom.bars.pages.blob import page_keys
from kaboom.bars.pages.codec import PageColumns, decode_sound
from kaboom.bars.pages.files import ALL, PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.frames import keep_between, to_frame
from kaboom.bars.pages.read import shards_between, within_month
from kaboom.bars.pages.schema import keys_of, sum_words
from kaboom.bars.store import COVERAGE_SCHEMA
from kaboom.market.bar import BarSeries

_log = structlog.get_logger(__name__)

_US = 1_000_000
_DAY_S = 86_400
#: The columns of the index, which are those of `COVERAGE_SCHEMA`, and their checksum.
_COVER = ("sid", "bucket", "n", "first_ts", "last_ts", "flagged", "flags")
_SUMS = ("cover_sum",)
_COVERED = "page INDEXED BY cov WHERE bucket BETWEEN ? AND ?"
#: Its file, symbol, bucket and blob.
type Page = tuple[Path, str, int, bytes]
_BLOBS = """
SELECT s.symbol, p.bucket, CAST(p.data AS BLOB) FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE p.bucket BETWEEN ? AND ?
"""
_SYMBOLS = "SELECT id, symbol FROM sym"
_KNOWN = pl.Schema({"sid": pl.Int64(), "name": pl.String()})


def coverage(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    """Return the coverage from `first` to `last` inclusive, in `COVERAGE_SCHEMA`.

    Intraday bars need only the index. A page of daily bars holds a year, so its blob is read; a damaged one counts as
    not held, and is logged.
    """
    if first > last:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    if not series.interval.is_intraday:
        return _daily_coverage(files, series, first=first, last=last)
    days = to_day(first), to_day(last)
    held = [_cover_shard(files, series, shard, days) for shard in shards_between(files, series, *days)]
    both = pl.concat([pl.DataFrame(schema=COVERAGE_SCHEMA), *held])
    return sort_by_symbol(both) if len(held) > 1 else both


def _cover_shard(files: PageFiles, series: BarSeries, shard: str, between: tuple[int, int]) -> pl.DataFrame:
    with files.opened(series, shard) as file:
        if file is None:
            return pl.DataFrame(schema=COVERAGE_SCHEMA)
        days = within_month(shard, between)
        return file.remember("coverage", days, lambda: count_pages(file, days))


def count_pages(file: PageFile, days: tuple[int, int]) -> pl.DataFrame:
    """Return the coverage of some buckets in a file of intraday bars, in `COVERAGE_SCHEMA`, from its index alone.

    A page whose entry does not match its checksum counts as not held, and is logged.
    """
    sums = _SUMS if has_sums(file.sql) else ()
    ranked, names = rank_symbols(file.sql, read_columns(file.sql, _COVER, _COVERED, days, optional=sums))
    sound = _drop_damaged(file, ranked, names) if sums else ranked
    held = name_symbols(sound.sort("symbol", "bucket"), names)
    held.columns = list(COVERAGE_SCHEMA)
    times = pl.col("first_at", "last_at") * _US
    return held.with_columns(times, pl.col("session").cast(pl.Int32)).cast(COVERAGE_SCHEMA)


def _drop_damaged(file: PageFile, ranked: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return the pages that match their checksum, or have none, without the checksums."""
    keys = keys_of(names.to_list())[ranked["symbol"].to_numpy()]
    actual = pl.Series(sum_words(keys, [ranked[name].to_numpy() for name in _COVER[1:]]), dtype=pl.Int64)
    is_sound = (ranked["cover_sum"] == actual).fill_null(value=True)
    if not is_sound.all():
        for rank, bucket in ranked.filter(~is_sound).select("symbol", "bucket").iter_rows():
            log_damage(file.path, names[rank], bucket)
        ranked = ranked.filter(is_sound)
    return ranked.drop(_SUMS)


def _rows(files: PageFiles, series: BarSeries, shard: str, *, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
    with files.opened(series, shard) as file:
        return file.sql.execute(sql, values).fetchall() if file else []


def _daily_coverage(files: PageFiles, series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
    rows = _rows(files, series, ALL, sql=_BLOBS, values=(first.year, last.year))
    sound, columns = decode_logged([(files.path(series, ALL), *row) for row in rows])
    if not sound:
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    kept = keep_between(columns, to_day(first) * _DAY_S, (to_day(last) + 1) * _DAY_S)
    return count_sessions(to_frame([page[1] for page in sound], kept))


def decode_logged(pages: Sequence[Page]) -> tuple[Sequence[Page], PageColumns]:
    """Return the pages that can be read, and their bars; log the others."""
    keys = page_keys([page[1] for page in pages], [page[2] for page in pages])
    columns, errors = decode_sound([page[3] for page in pages], keys, name_of=lambda i: page_name(*pages[i][:3]))
    for i, e in errors.items():
        _log.warning("page_damaged", page=page_name(*pages[i][:3]), reason=e.message)
    return [page for i, page in enumerate(pages) if i not in errors], columns


def log_damage(path: Path, symbol: str, bucket: int) -> None:
    """Log that the header of a page does not match its checksum."""
    _log.warning("page_damaged", page=page_name(path, symbol, bucket), reason="its header does not match its checksum")


def read_columns(
    sql: sqlite3.Connection,
    columns: Sequence[str],
    rest: str,
    values: Sequence[int] = (),
    *,
    optional: Sequence[str] = (),
) -> pl.DataFrame:
    """Return columns of integers as Int64, the `optional` ones with nulls; `rest` is the query after `FROM`.

    A damaged value that is no integer becomes some integer, which a checksum finds. SQLite joins them to one text in C,
    without the GIL, and polars reads it: a quarter of the time of a tuple for each row, and the event loop does not
    wait meanwhile.
    """
    numbers = {name: f"CAST({name} AS INTEGER)" for name in (*columns, *optional)}
    numbers |= {name: f"ifnull({numbers[name]}, '')" for name in optional}
    line = " || ',' || ".join(numbers.values())
    (text,) = sql.execute(f"SELECT group_concat({line}, char(10)) FROM {rest}", values).fetchone()  # noqa: S608  constants
    schema = pl.Schema(dict.fromkeys(numbers, pl.Int64()))
    return pl.read_csv(text.encode(), has_header=False, schema=schema) if text else pl.DataFrame(schema=schema)


def rank_symbols(sql: sqlite3.Connection, rows: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """Return rows with a `symbol` in place of `sid` that is its rank, and the names by rank.

    Numbers are sorted and joined in a third of the time of names; `name_symbols` ends it.
    """
    known = pl.DataFrame(sql.execute(_SYMBOLS).fetchall(), schema=_KNOWN, orient="row").sort("name")
    ranked = rows.join(known.select("sid", symbol=pl.int_range(pl.len(), dtype=pl.UInt32)), on="sid")
    return ranked.select("symbol", pl.exclude("sid", "symbol")), known["name"]


def name_symbols(ranked: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """Return rows with names for the ranks of their symbols."""
    return ranked.with_columns(symbol=names.gather(ranked["symbol"]))


def sort_by_symbol(both: pl.DataFrame) -> pl.DataFrame:
    """Return rows of several files, oldest first and each sorted, by symbol; numbers sort in half the time of names."""
    rank = pl.col("symbol").cast(pl.Enum(both["symbol"].unique().sort())).to_physical()
    return both.with_columns(rank=rank).sort("rank", maintain_order=True).drop("rank")
