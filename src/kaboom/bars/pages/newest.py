"""Newest bars and last closes, read from page headers that match their checksums. Errors are raised as StoreError."""

import json
from collections.abc import Collection, Iterator, Sequence
from datetime import date
from itertools import compress
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.codec import PageColumns
from kaboom.bars.pages.coverage import decode_logged, log_damage
from kaboom.bars.pages.files import PageFile, PageFiles, has_sums
from kaboom.bars.pages.frames import keep_between, rows_to_frame
from kaboom.bars.pages.read import bucket_of, dated_shards, shards_between
from kaboom.bars.pages.schema import SID_BITS, keys_of, sum_words
from kaboom.market.bar import BAR_SCHEMA, BarSeries

_US = 1_000_000
_DAY_S = 86_400
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
