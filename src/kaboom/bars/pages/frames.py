"""Converting polars frames to pages and back: which bars go in which page of which file."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from kaboom.bars.normalise import SortedBars, to_session
from kaboom.bars.pages.codec import Ints, PageColumns
from kaboom.bars.pages.files import ALL
from kaboom.market.bar import BAR_SCHEMA, PRICES
from kaboom.market.interval import Interval

_DAY_S = 86_400
_US = 1_000_000


@dataclass(frozen=True, slots=True)
class PageBatch:
    """Pages of one file: page i holds bars of `symbols[i]` in `buckets[i]`."""

    symbols: list[str]
    buckets: list[int]
    columns: PageColumns


def buckets_of(interval: Interval, seconds: Ints) -> Ints:
    """Return the bucket of each time: the UTC day since 1970-01-01, for daily bars the year."""
    if interval.is_intraday:
        return seconds // _DAY_S
    return seconds.astype("datetime64[s]").astype("datetime64[Y]").astype(np.int64) + 1970


@lru_cache(maxsize=256)
def shard_of(interval: Interval, bucket: int) -> str:
    """Return the name of the file that holds a bucket: its month, or the one file of daily bars."""
    return f"{to_session(bucket):%Y-%m}" if interval.is_intraday else ALL


def split_in_pages(interval: Interval, found: SortedBars) -> Iterator[tuple[str, PageBatch]]:
    """Yield the pages of sorted bars, file by file."""
    if not len(found.seconds):
        return
    starts, bucket_of_page = _find_pages(interval, found)
    columns = PageColumns(_to_rows(found), np.append(starts, len(found.seconds)))
    symbols = [found.symbols[i - 1] for i in np.searchsorted(found.starts, starts, side="right").tolist()]
    buckets = bucket_of_page.tolist()
    shards = {b: shard_of(interval, b) for b in set(buckets)}
    for name in sorted(set(shards.values())):
        pages = [i for i, b in enumerate(buckets) if shards[b] == name]
        of_file = take_pages(columns, pages)
        yield name, PageBatch([symbols[i] for i in pages], [buckets[i] for i in pages], of_file)


def _find_pages(interval: Interval, found: SortedBars) -> tuple[Ints, Ints]:
    """Return the first bar of each page, and its bucket."""
    lasts = np.append(found.starts[1:], len(found.seconds)) - 1
    buckets = buckets_of(interval, found.seconds[found.starts])
    if np.array_equal(buckets, buckets_of(interval, found.seconds[lasts])):
        return found.starts, buckets
    buckets = buckets_of(interval, found.seconds)
    turns = np.diff(buckets, prepend=buckets[0] - 1) != 0
    turns[found.starts] = True
    starts = np.flatnonzero(turns)
    return starts, buckets[starts]


def take_pages(columns: PageColumns, pages: list[int]) -> PageColumns:
    """Return some pages, in the order given."""
    counts = np.diff(columns.offsets)
    if len(pages) == len(counts):
        return columns
    bars = np.concatenate([np.arange(columns.offsets[i], columns.offsets[i + 1]) for i in pages])
    offsets = np.concatenate(([0], np.cumsum(counts[pages], dtype=np.int64)))
    return PageColumns(tuple(row.take(bars) for row in columns.rows), offsets)


def keep_between(columns: PageColumns, start_s: int, end_s: int) -> PageColumns:
    """Return the bars with `start_s <= ts < end_s`; a page may become empty."""
    keep = (columns.seconds >= start_s) & (columns.seconds < end_s)
    return columns if keep.all() else columns.keep(keep)


def rows_to_frame(rows: Sequence[tuple[Any, ...]], schema: pl.Schema) -> pl.DataFrame:
    """Return rows of SQLite as a frame; by columns, since from rows it takes polars five times as long."""
    columns = zip(*rows, strict=True) if rows else [[]] * len(schema)
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def to_frame(symbols: Sequence[str], columns: PageColumns) -> pl.DataFrame:
    """Return bars in `BAR_SCHEMA`, in the order of the pages; `symbols[i]` is that of page i."""
    return pl.DataFrame(
        [
            _symbol_of_bar(symbols, columns.offsets),
            pl.Series("opened_at", columns.seconds * _US).cast(BAR_SCHEMA["opened_at"]),
            *(pl.Series(name, price) for name, price in zip(PRICES, columns.prices, strict=True)),
            pl.Series("volume", columns.rows[5]),
            pl.Series("flags", columns.rows[6].astype(np.uint16)),
        ]
    )


def _symbol_of_bar(symbols: Sequence[str], offsets: Ints) -> pl.Series:
    names = pl.Series("symbol", symbols, dtype=pl.String)
    if len(set(symbols)) == 1:
        return names.new_from_index(0, int(offsets[-1]))
    return names.gather(np.repeat(np.arange(len(symbols), dtype=np.uint32), np.diff(offsets)))


def _to_rows(found: SortedBars) -> tuple[Ints, ...]:
    """Return the columns of a page; times and flags are copies, the others are views of the frame."""
    bars = found.bars
    prices = (bars[name].to_numpy().view(np.int64) for name in PRICES)
    return found.seconds, *prices, bars["volume"].to_numpy(), bars["flags"].to_numpy().astype(np.int64)
