"""Sessions that a provider gave twice: the bars of the session before, under today's stamps."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import polars as pl

from batch.bars.quality import Checked
from batch.bars.quality_whole import is_telling
from batch.bars.store import BarStore
from batch.market.bar import BarFlag, BarSeries
from batch.market.calendar import previous_session

_STALE = BarFlag.STALE


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A symbol whose first session ends with the close of the session before: where its bars are in the frame."""

    symbol: str
    start: int
    bars: int


async def flag_repeats_of_stored(
    checked: Checked, store: BarStore, series: BarSeries, *, session: date, closes: Mapping[str, float]
) -> Checked:
    """Flag symbols whose bars of `session`, the first in a checked frame, are those stored of the one before.

    Only a symbol that ends with the stored close (`closes`) is read: 2 or 3 in 100 on an ordinary day.

    Raises:
        StoreError: the store could not be read.

    """
    before = previous_session(session)
    start = datetime.combine(before, time(), UTC)
    repeated = []
    for suspect in _suspects(checked.bars, session, closes):
        old = await store.read(series, suspect.symbol, start=start, end=start + timedelta(days=1))
        shifted = old.with_columns(pl.col("opened_at") + (session - before))
        if shifted.drop("flags").equals(checked.bars.slice(suspect.start, suspect.bars).drop("flags")):
            repeated.append(suspect)
    return _flagged(checked, repeated) if repeated else checked


def _suspects(bars: pl.DataFrame, session: date, closes: Mapping[str, float]) -> Iterator[_Suspect]:
    if not bars.height:
        return
    end = datetime.combine(session + timedelta(days=1), time(), UTC)
    is_first = bars["opened_at"].to_physical().to_numpy() < int(end.timestamp()) * 1_000_000
    runs = bars["symbol"].rle().struct
    symbols, lengths = runs.field("value").to_list(), runs.field("len").to_numpy().astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    counts = np.add.reduceat(is_first, starts, dtype=np.int64)
    last_closes = bars["close"].to_numpy()[starts + np.maximum(counts, 1) - 1]
    known = np.array([closes.get(symbol, np.nan) for symbol in symbols])
    for n in np.flatnonzero((counts > 0) & (known == last_closes)).tolist():
        today = bars.slice(int(starts[n]), int(counts[n]))
        if is_telling(today["high"].to_numpy(), today["low"].to_numpy()):
            yield _Suspect(symbols[n], int(starts[n]), int(counts[n]))


def _flagged(checked: Checked, repeated: list[_Suspect]) -> Checked:
    flags = checked.bars["flags"].to_numpy().copy()
    for suspect in repeated:
        flags[suspect.start : suspect.start + suspect.bars] |= np.uint16(_STALE)
    stale = int(np.count_nonzero(flags & np.uint16(_STALE)))
    bars = checked.bars.with_columns(flags=pl.Series(flags))
    return replace(checked, bars=bars, flags={**checked.flags, "stale": stale})
