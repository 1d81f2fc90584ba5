"""Preparing frames for a store: checked, sorted, one row per key."""

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt
import polars as pl

from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.errors import InvalidRequest, StoreError
from kaboom.market.bar import BAR_SCHEMA, PRICES, VALUES

_SOURCE = re.compile(r"[a-z][a-z0-9_-]*")
_KEY = ["symbol", "opened_at"]
_US = 1_000_000
#: A file has a million lines that can be told apart.
_LINE_BITS = 20
_FIRST_S, _LAST_S = (int(datetime(year, 1, 1, tzinfo=UTC).timestamp()) for year in (1900, 3000))

_Ints = npt.NDArray[np.int64]


def check_source(source: str) -> None:
    """Reject a source whose name could leave its folder, such as `../real`.

    Raises:
        InvalidRequest: the name is not a plain lower-case name.

    """
    if not _SOURCE.fullmatch(source):
        raise InvalidRequest(f"source was {source[:40]!r}, expected {_SOURCE.pattern}")


@dataclass(frozen=True, slots=True)
class SortedBars:
    """Bars that can be stored, with facts about them that storing needs.

    Attributes:
        bars: sorted by symbol, then opened_at, no key twice.
        seconds: `opened_at` in UTC seconds, shape (bars,).
        starts: the first row of each symbol, shape (symbols,).
        symbols: their names.

    """

    bars: pl.DataFrame
    seconds: _Ints
    starts: _Ints
    symbols: list[str]


def normalise_bars(bars: pl.DataFrame) -> pl.DataFrame:
    """Return the bars of `sort_bars`, which raises the same errors."""
    return sort_bars(bars).bars


def sort_bars(bars: pl.DataFrame) -> SortedBars:
    """Return bars sorted by symbol, then opened_at; of several with one key, the last one.

    Raises:
        StoreError: not retryable; the schema is not `BAR_SCHEMA`, a value is null or not finite, or a time is not a
            whole second from 1900 to 2999.

    """
    _check_schema(bars, BAR_SCHEMA)
    if bars.is_empty():
        nothing = np.empty(0, np.int64)
        return SortedBars(bars, nothing, nothing, [])
    bars = bars.rechunk()
    seconds = _check_values(bars)
    starts, symbols = _find_symbols(bars)
    if not _is_sorted(seconds, starts, symbols):
        bars = bars.unique(_KEY, keep="last", maintain_order=True).sort(_KEY).rechunk()
        seconds = times_us(bars) // _US
        starts, symbols = _find_symbols(bars)
    return SortedBars(bars, seconds, starts, symbols)


def normalise_quarantine(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rejected rows with one per symbol, opened_at and reason, the last one; NaN becomes null.

    Rows without a time are told apart by their file and line.

    Raises:
        StoreError: not retryable; the schema is not `QUARANTINE_SCHEMA`, or a symbol or reason is null.

    """
    _check_schema(rows, QUARANTINE_SCHEMA)
    for name in ("symbol", "reason"):
        if rows[name].null_count():
            raise StoreError(f"{name} of a quarantined row was null, expected a text", retryable=False)
    rows = rows.with_columns(pl.col(*VALUES).fill_nan(None), place_numbers(rows).alias("place"))
    place = pl.when(pl.col("opened_at").is_null()).then("place")
    return rows.with_columns(place).unique([*_KEY, "reason", "place"], keep="last", maintain_order=True).drop("place")


def place_numbers(rows: pl.DataFrame) -> pl.Series:
    """Return for each rejected row a number below 2**52 for its file and line, which are its key if it has no time."""
    numbers = {name: crc32(name.encode()) << _LINE_BITS for name in rows["file"].unique().drop_nulls()}
    files = rows["file"].replace_strict(numbers, default=0, return_dtype=pl.Int64)
    return files + rows["line"].fill_null(0) % (1 << _LINE_BITS)


def times_us(bars: pl.DataFrame) -> _Ints:
    """Return, shape (bars,), the microseconds of `opened_at` since 1970, UTC; none may be null."""
    # A view, unlike `to_physical`.
    return bars["opened_at"].cast(pl.Int64()).to_numpy()


def to_seconds(at: datetime, name: str) -> int:
    """Return the first whole UTC second at or after an aware time.

    Raises:
        InvalidRequest: the time has no zone.

    """
    if at.tzinfo is None:
        raise InvalidRequest(f"{name} was {at.isoformat()} without a time zone, expected an aware time")
    since = at - datetime(1970, 1, 1, tzinfo=UTC)
    return since.days * 86_400 + since.seconds + (since.microseconds > 0)


def to_day(session: date) -> int:
    """Return the days from 1970-01-01 to a session."""
    return (session - date(1970, 1, 1)).days


def to_session(day: int) -> date:
    """Return the session that is `day` days after 1970-01-01."""
    return date(1970, 1, 1) + timedelta(days=day)


def name_bucket(bucket: int, *, is_year: bool) -> str:
    """Return the name of a bucket for people; that of a damaged row may be no date."""
    try:
        return f"{bucket:04d}" if is_year else str(to_session(bucket))
    except (OverflowError, TypeError, ValueError):
        return f"bucket {bucket}"


def _check_schema(frame: pl.DataFrame, schema: pl.Schema) -> None:
    if (frame.columns, frame.dtypes) != (schema.names(), schema.dtypes()):
        got = ", ".join(f"{k}: {v}" for k, v in frame.schema.items())
        expected = ", ".join(f"{k}: {v}" for k, v in schema.items())
        raise StoreError(f"columns were ({got}), expected ({expected})", retryable=False)


def _is_sorted(seconds: _Ints, starts: _Ints, symbols: list[str]) -> bool:
    """Return whether bars are sorted by symbol, then opened_at, with no key twice."""
    rises = seconds[1:] > seconds[:-1]
    rises[starts[1:] - 1] = True
    return bool(rises.all()) and all(a < b for a, b in pairwise(symbols))


def _find_symbols(bars: pl.DataFrame) -> tuple[_Ints, list[str]]:
    """Return the first row of each run of one symbol, and these symbols."""
    after, before = bars.slice(1)["symbol"], bars.slice(0, len(bars) - 1)["symbol"]
    starts = np.append(0, np.flatnonzero((after != before).to_numpy()) + 1)
    names = bars["symbol"]
    return starts, [names[i] for i in starts.tolist()]


def _check_values(bars: pl.DataFrame) -> _Ints:
    """Return the UTC seconds of bars that can be stored."""
    for column in bars:
        if column.null_count():
            raise StoreError(f"{column.name} had {column.null_count()} nulls, expected none", retryable=False)
    for name in PRICES:
        if not np.isfinite(bars[name].to_numpy()).all():
            raise StoreError(f"{name} had NaN or infinity, expected finite prices", retryable=False)
    at = times_us(bars)
    seconds: _Ints = at // _US
    if (seconds * _US != at).any():
        raise StoreError("opened_at had fractions of a second, expected whole seconds", retryable=False)
    if not _FIRST_S <= seconds.min() <= seconds.max() < _LAST_S:
        first, last = bars["opened_at"].min(), bars["opened_at"].max()
        raise StoreError(f"opened_at was {first!s} to {last!s}, expected 1900 to 2999", retryable=False)
    return seconds
