"""Newest bars and last closes, read from page headers that match their checksums. Errors are raised as StoreError."""

import json
from collections.abc import Collection, Sequence
from datetime import date
from functools import partial

import polars as pl

from kaboom.bars.normalise import to_day
from kaboom.bars.pages.codec import PageColumns
from kaboom.bars.pages.coverage import decode_logged, log_damage
from kaboom.bars.pages.files import PageFile, PageFiles, has_sums
from kaboom.bars.pages.headers import NEWEST, HeaderRow, closes_before, newest_bars
from kaboom.bars.pages.read import dated_shards, newest_before, shards_between
from kaboom.bars.pages.schema import SID_BITS
from kaboom.market.bar import BAR_SCHEMA, BarSeries

_DAY_S = 86_400
#: A damaged value is cast to its type: its checksum finds it.
_VALUES = ", ".join(f"CAST(p.{name} AS {'REAL' if name in 'ohlc' else 'INTEGER'})" for name in NEWEST)
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


def latest(files: PageFiles, series: BarSeries, *, symbols: Sequence[str] = ()) -> pl.DataFrame:
    """Return the newest bar of every symbol, or of those named, in `BAR_SCHEMA`; reads no blob of a sound header.

    Starts with the newest file and looks in older ones for the symbols not found yet. If symbols are named, it ends
    when all are found; otherwise it opens every file, since each may have other symbols. A symbol whose newest page is
    damaged is left out and logged.
    """
    parts, found = [pl.DataFrame(schema=BAR_SCHEMA)], set[str]()
    for shard in reversed(dated_shards(files, series)):
        if symbols and found >= set(symbols):
            break
        with files.opened(series, shard) as file:
            if file is not None:
                known = {symbol for (symbol,) in file.sql.execute("SELECT symbol FROM sym")}
                rows = _find_newest(file, (known & set(symbols) if symbols else known) - found)
                parts.append(newest_bars(rows, partial(_read_page, file)))
                found |= {row[0] for row in rows}
    return pl.concat(parts).sort("symbol")


def last_closes(files: PageFiles, series: BarSeries, *, symbols: Sequence[str], before: date) -> dict[str, float]:
    """Return each symbol's last close in a session before `before`.

    Reads headers, and a blob only for daily bars of the year of `before`. A symbol whose page is damaged is left out
    and logged.
    """
    newest, before_s = newest_before(series.interval, before), to_day(before) * _DAY_S
    found: dict[str, float | None] = {}
    for shard in reversed(shards_between(files, series, to_day(date(1900, 1, 1)), newest)):
        with files.opened(series, shard) as file:
            if file is not None:
                sql = _CLOSES.format(newest_sum=_newest_sum(file))
                wanted = set(symbols) - found.keys()
                rows = [row for symbol in wanted for row in file.sql.execute(sql, (symbol, newest))]
                found |= closes_before(rows, before_s, partial(_read_page, file))
        if len(found) == len(symbols):
            break
    return {symbol: close for symbol, close in found.items() if close is not None}


def _find_newest(file: PageFile, symbols: Collection[str]) -> list[HeaderRow]:
    """Return the newest bar of each symbol that has a page, with its checksum; NULLs if the page cannot be found."""
    sql = _NEWEST.format(newest_sum=_newest_sum(file))
    return file.sql.execute(sql, (json.dumps(list(symbols)),)).fetchall() if symbols else []


def _newest_sum(file: PageFile) -> str:
    return "CAST(p.newest_sum AS INTEGER)" if has_sums(file.sql) else "NULL"


def _read_page(file: PageFile, symbol: str, bucket: int, *, is_sound: bool = False) -> PageColumns | None:
    """Return the bars of a page, whose header may be damaged; None if the page is damaged, too."""
    if not is_sound:
        log_damage(file.path, symbol, bucket)
    row = file.sql.execute(_BLOB, (bucket, symbol)).fetchone()
    sound, columns = decode_logged([(file.path, symbol, bucket, row[0] if row else b"")])
    return columns if sound else None
