"""The header of a page: columns beside its blob, which are enough for many queries, with two checksums of their own."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from kaboom.bars.pages.blob import symbol_key
from kaboom.bars.pages.codec import Ints, PageColumns

_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)


def page_headers(columns: PageColumns, symbols: Sequence[str], buckets: Sequence[int]) -> list[tuple[int | float, ...]]:
    """Return the `schema.HEADER` of every page; no page may be empty."""
    starts, last = columns.offsets[:-1], columns.offsets[1:] - 1
    seconds, flags = columns.seconds, columns.rows[6]
    seen = np.bitwise_or.reduceat(flags, starts)
    flagged = np.add.reduceat(flags != 0, starts, dtype=np.int64) if seen.any() else seen
    counts, keys = np.diff(columns.offsets), keys_of(symbols)
    newest = (seconds[last], *(price[last] for price in columns.prices), columns.rows[5][last], flags[last])
    cover = (np.array(buckets, np.int64), counts, seconds[starts], seconds[last], flagged, seen)
    sums = sum_words(keys, newest), sum_words(keys, cover)
    fields = (counts, seconds[starts], *newest, sums[0], seen, flagged, sums[1])
    return list(zip(*(field.tolist() for field in fields), strict=True))


def keys_of(symbols: Sequence[str]) -> Ints:
    """Return the numbers that stand for symbols in checksums."""
    return np.fromiter(map(symbol_key, symbols), np.int64, len(symbols))


def sum_words(keys: Ints, words: Sequence[npt.NDArray[Any]]) -> npt.NDArray[np.int32]:
    """Return the checksum of each row of some columns of 64-bit numbers, begun with the keys of their symbols.

    Not a CRC: numpy computes this for a whole market at once, in a few operations for each column.
    """
    total = keys.view(np.uint64) * _FACTOR
    for word in words:
        # SQLite keeps -0.0 as 0.
        exact = word + 0.0 if word.dtype == np.float64 else word
        total ^= total >> _HALF
        total = (total ^ exact.view(np.uint64)) * _FACTOR
    return (total >> _HALF).astype(np.uint32).view(np.int32)
