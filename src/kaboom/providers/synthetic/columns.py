"""Bars as numpy columns, before they become a frame: one element per bar."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.providers.synthetic.rng import Floats


@dataclass(frozen=True, slots=True)
class BarColumns:
    """B bars: `row` is the symbol's number, `stamp` UTC epoch seconds, prices in yen; arrays of shape [B]."""

    row: NDArray[np.int64]
    stamp: NDArray[np.int64]
    open: Floats
    high: Floats
    low: Floats
    close: Floats
    volume: Floats

    def take(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> Self:
        """Return the bars that a mask or an index picks."""
        return type(self)(*(getattr(self, f.name)[which] for f in fields(self)))


def join_columns(parts: Sequence[BarColumns]) -> BarColumns:
    """Return the bars of all parts, one after the other."""
    if not parts:
        whole, real = np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64)
        return BarColumns(whole, whole, real, real, real, real, real)
    names = (f.name for f in fields(BarColumns))
    return BarColumns(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def build_frame(symbols: Sequence[str], bars: BarColumns) -> pl.DataFrame:
    """Return bars as a frame in `RAW_BAR_SCHEMA`; `bars.row` counts in `symbols`."""
    names = pl.Series("symbol", symbols, dtype=pl.String())
    return pl.DataFrame(
        {
            "symbol": names.gather(pl.Series(bars.row)) if len(bars.row) else names.clear(),
            "opened_at": pl.Series(bars.stamp * 1_000_000).cast(RAW_BAR_SCHEMA["opened_at"]),
            **{name: getattr(bars, name) for name in VALUES},
        },
        schema=RAW_BAR_SCHEMA,
    )
