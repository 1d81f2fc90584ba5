"""The newest bars of pages from their headers, as far as these match their checksums; pure."""

from collections.abc import Sequence
from itertools import compress
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from kaboom.bars.pages.codec import PageColumns
from kaboom.bars.pages.frames import keep_between, rows_to_frame
from kaboom.bars.pages.schema import keys_of, sum_words
from kaboom.market.bar import BAR_SCHEMA

_US = 1_000_000
_NEVER_S = 2**62
#: The columns of a page's newest bar, in the order of their checksum.
NEWEST = ("last_ts", "o", "h", "l", "c", "v", "last_flags")
_DTYPES = [np.float64 if name in "ohlc" else np.int64 for name in NEWEST]
_SCHEMA = pl.Schema({**BAR_SCHEMA, "opened_at": pl.Int64(), "flags": pl.Int64()})
#: Symbol, bucket, the columns `NEWEST`, and their checksum, which is None in a page of an older Kaboom.
type HeaderRow = tuple[Any, ...]


class ReadPage(Protocol):
    """Returns the bars of a page, whose header may be damaged; None if the page is damaged, too."""

    def __call__(self, symbol: str, bucket: int, *, is_sound: bool = False) -> PageColumns | None: ...


def newest_bars(rows: Sequence[HeaderRow], read_page: ReadPage) -> pl.DataFrame:
    """Return the newest bars in `BAR_SCHEMA`; those of a damaged header from its page, if that can be read."""
    whole = [row for row in rows if None not in row[2:9]]
    damaged = [row for row in rows if None in row[2:9]]
    bars = pl.DataFrame(schema=_SCHEMA)
    if whole:
        columns, is_sound = _check(whole)
        bars = pl.DataFrame(columns, schema=_SCHEMA)
        if not is_sound.all():
            bars = bars.filter(is_sound)
            damaged += compress(whole, ~is_sound)
    if damaged:
        found = [(row[0], _last_bar(read_page(*row[:2]))) for row in damaged]
        bars.extend(rows_to_frame([(symbol, *bar) for symbol, bar in found if bar is not None], _SCHEMA))
    return bars.with_columns(pl.col("opened_at") * _US).cast(BAR_SCHEMA)


def closes_before(rows: Sequence[HeaderRow], before_s: int, read_page: ReadPage) -> dict[str, float | None]:
    """Return the last close before a time of each symbol that has one, by its newest pages; None if one is damaged."""
    closes: dict[str, float | None] = {}
    for (symbol, bucket, last_s, *bar), is_sound in zip(rows, _are_sound(rows), strict=True):
        if symbol in closes:
            continue
        if is_sound and last_s < before_s:
            closes[symbol] = bar[3]
        elif (page := read_page(symbol, bucket, is_sound=is_sound)) is None:
            closes[symbol] = None
        elif found := _last_bar(keep_between(page, -_NEVER_S, before_s)):
            closes[symbol] = found[4]
    return closes


def _check(rows: Sequence[HeaderRow]) -> tuple[list[Any], npt.NDArray[np.bool_]]:
    """Return the columns of whole rows from symbol to flags, without the bucket, and whether each matches its checksum.

    A row without a checksum matches.
    """
    symbols, _, *values, sums = zip(*rows, strict=True)
    bars = [np.array(column, dtype) for column, dtype in zip(values, _DTYPES, strict=True)]
    expected = np.array(sums, np.float64)  # exact, since a checksum has 32 bits; NaN if there is none
    return [symbols, *bars], (sum_words(keys_of(symbols), bars) == expected) | np.isnan(expected)


def _are_sound(rows: Sequence[HeaderRow]) -> list[bool]:
    """Return whether each row is whole and matches its checksum, if it has one."""
    whole = [None not in row[:-1] for row in rows]
    matches = iter(_check(list(compress(rows, whole)))[1].tolist() if any(whole) else ())
    return [is_whole and next(matches) for is_whole in whole]


def _last_bar(columns: PageColumns | None) -> tuple[Any, ...] | None:
    """Return the columns `NEWEST` of a page."""
    if columns is None or not len(columns.seconds):
        return None
    seconds, volume, flags = columns.seconds, columns.rows[5], columns.rows[6]
    return (*(row[-1].item() for row in (seconds, *columns.prices, volume, flags)),)
