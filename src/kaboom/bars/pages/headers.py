"""Coverage, newest bars and last closes, read from page headers that match their checksums."""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import compress
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import structlog

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.codec import PageColumns, decode_sound, page_keys
from kaboom.bars.pages.files import ALL, PageFile, PageFiles, has_sums, page_name
from kaboom.bars.pages.frames import keep_between, rows_to_frame, to_frame
from kaboom.bars.pages.read import bucket_of, dated_shards, shards_between, within_month
from kaboom.bars.pages.schema import SID_BITS, keys_of, sum_words
from kaboom.bars.store import COVERAGE_SCHEMA, count_sessions
from kaboom.market.bar import BAR_SCHEMA, BarSeries

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
_NEVER_S = 2**62
#: The columns of a page's newest bar, in the order of their checksum.
_BAR = {"last_ts": "INTEGER", **dict.fromkeys("ohlc", "REAL"), "v": "INTEGER", "last_flags": "INTEGER"}
#: A damaged value is cast to its type: its checksum finds it.
_VALUES = ", ".join(f"CAST(p.{name} AS {kind})" for name, kind in _BAR.items())
_DTYPES = [np.float64 if kind == "REAL" else np.int64 for kind in _BAR.values()]
_SCHEMA = pl.Schema({**BAR_SCHEMA, "opened_at": pl.Int64(), "flags": pl.Int64()})
_NEWEST = f"""
WITH newest AS MATERIALIZED (
    SELECT s.symbol, s.id AS sid, (
        SELECT q.bucket FROM page q INDEXED BY cov WHERE q.sid = s.id ORDER BY q.bucket DESC LIMIT 1
    ) AS bucket FROM json_each(?) wanted JOIN sym s ON s.symbol = wanted.value
)
SELECT n.symbol, n.bucket, {_VALUES}, {{newest_sum}}
FROM newest n LEFT JOIN page p ON p.id = n.bucket << {SID_BITS} | n.sid WHERE n.bucket IS NOT NULL
"""  # noqa: S608 (constants)
_CLOSES = f"""
SELECT s.symbol, p.bucket, {_VALUES}, {{newest_sum}} FROM sym s JOIN page p INDEXED BY cov ON p.sid = s.id
WHERE s.symbol = ? AND p.bucket <= ? ORDER BY p.bucket DESC LIMIT 2
"""  # noqa: S608 (constants)
_BLOB = f"""
SELECT CAST(data AS BLOB) FROM page WHERE id = ? << {SID_BITS} | (SELECT id FROM sym WHERE symbol = ?)
"""  # noqa: S608 (a constant)

#: `last_ts` to `last_flags`.
type _Bar = tuple[Any, ...]
#: Symbol, bucket, a bar, and its checksum or None.
type _Row = tuple[Any, ...]


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


def latest(files: PageFiles, series: BarSeries, *, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`; reads no blob of a sound header.

    Starts with the newest file and looks in older ones for the symbols not found yet. If symbols are named, it ends
    when all are found; otherwise it opens every file, since each may have other symbols. A symbol whose newest page is
    damaged is left out and logged.
    """
    parts, found = [pl.DataFrame(schema=_SCHEMA)], set[str]()
    for shard in reversed(dated_shards(files, series)):
        if symbols and found >= set(symbols):
            break
        with files.opened(series, shard) as file:
            if file is not None:
                known = {symbol for (symbol,) in file.sql.execute("SELECT symbol FROM sym")}
                rows = _find_newest(file, (known & set(symbols) if symbols else known) - found)
                parts += _newest_bars(file, rows)
                found |= {row[0] for row in rows}
    bars = pl.concat(parts).sort("symbol")
    return bars.with_columns(pl.col("opened_at") * _US).cast(BAR_SCHEMA)


def last_closes(files: PageFiles, series: BarSeries, *, symbols: Sequence[str], before: date) -> dict[str, float]:
    """Return each symbol's last close in a session before `before`.

    Reads headers, and a blob only for daily bars of the year of `before`. A symbol whose page is damaged is left out
    and logged.
    """
    newest, before_s = bucket_of(series.interval, before), to_day(before) * _DAY_S
    found: dict[str, float | None] = {}
    for shard in reversed(shards_between(files, series, to_day(date(1900, 1, 1)), newest)):
        with files.opened(series, shard) as file:
            if file is not None:
                found |= _closes_before(file, set(symbols) - found.keys(), newest=newest, before_s=before_s)
        if len(found) == len(symbols):
            break
    return {symbol: close for symbol, close in found.items() if close is not None}


def _find_newest(file: PageFile, symbols: Collection[str]) -> list[_Row]:
    """Return the newest bar of each symbol that has a page, with its checksum; NULLs if the page cannot be found."""
    sql = _NEWEST.format(newest_sum=_newest_sum(file))
    return file.sql.execute(sql, (json.dumps(list(symbols)),)).fetchall() if symbols else []


def _newest_bars(file: PageFile, rows: Sequence[_Row]) -> Iterator[pl.DataFrame]:
    """Yield the bars of rows in `_SCHEMA`; those of a damaged header from its page, if that can be read."""
    if not rows:
        return
    try:
        columns, is_sound = _check(rows)
    except TypeError:  # a damaged row has NULLs
        yield from _newest_bars(file, [row for row in rows if None not in row[2:9]])
        damaged = [row for row in rows if None in row[2:9]]
    else:
        bars = pl.DataFrame(columns, schema=_SCHEMA)
        yield bars if is_sound.all() else bars.filter(is_sound)
        damaged = list(compress(rows, ~is_sound))
    found = [(row[0], _last_bar(_read_page(file, *row[:2]))) for row in damaged]
    yield rows_to_frame([(symbol, *bar) for symbol, bar in found if bar is not None], _SCHEMA)


def _closes_before(file: PageFile, symbols: Collection[str], *, newest: int, before_s: int) -> dict[str, float | None]:
    """Return the last close of each symbol that has one before a time; None if its page is damaged."""
    sql = _CLOSES.format(newest_sum=_newest_sum(file))
    rows = [row for symbol in symbols for row in file.sql.execute(sql, (symbol, newest))]
    closes: dict[str, float | None] = {}
    for (symbol, bucket, last_s, *bar), is_sound in zip(rows, _are_sound(rows), strict=True):
        if symbol in closes:
            continue
        if is_sound and last_s < before_s:
            closes[symbol] = bar[3]
        elif (page := _read_page(file, symbol, bucket, is_sound=is_sound)) is None:
            closes[symbol] = None
        elif found := _last_bar(keep_between(page, -_NEVER_S, before_s)):
            closes[symbol] = found[4]
    return closes


def _newest_sum(file: PageFile) -> str:
    return "CAST(p.newest_sum AS INTEGER)" if has_sums(file.sql) else "NULL"


def _check(rows: Sequence[_Row]) -> tuple[list[Any], npt.NDArray[np.bool_]]:
    """Return the columns of rows from symbol to flags, without the bucket, and whether each row matches its checksum.

    A row without a checksum matches.

    Raises:
        TypeError: a row has NULL in place of an integer.

    """
    symbols, _, *values, sums = zip(*rows, strict=True)
    bars = [np.array(column, dtype) for column, dtype in zip(values, _DTYPES, strict=True)]
    expected = np.array(sums, np.float64)  # exact, since a checksum has 32 bits; NaN if there is none
    return [symbols, *bars], (sum_words(keys_of(symbols), bars) == expected) | np.isnan(expected)


def _are_sound(rows: Sequence[_Row]) -> list[bool]:
    """Return whether each row is whole and matches its checksum, if it has one."""
    whole = [None not in row[:-1] for row in rows]
    matches = iter(_check(list(compress(rows, whole)))[1].tolist() if any(whole) else ())
    return [is_whole and next(matches) for is_whole in whole]


def _read_page(file: PageFile, symbol: str, bucket: int, *, is_sound: bool = False) -> PageColumns | None:
    """Return the bars of a page, whose header may be damaged; None if the page is damaged, too."""
    if not is_sound:
        log_damage(file.path, symbol, bucket)
    row = file.sql.execute(_BLOB, (bucket, symbol)).fetchone()
    sound, columns = decode_logged([(file.path, symbol, bucket, row[0] if row else b"")])
    return columns if sound else None


def _last_bar(columns: PageColumns | None) -> _Bar | None:
    if columns is None or not len(columns.seconds):
        return None
    seconds, volume, flags = columns.seconds, columns.rows[5], columns.rows[6]
    return (*(row[-1].item() for row in (seconds, *columns.prices, volume, flags)),)
