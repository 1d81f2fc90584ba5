"""Rows of one symbol as arrays. Many become one frame at once, since a frame for each is slow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.market.interval import Interval


@dataclass(frozen=True, slots=True)
class SymbolRows:
    """The rows of one symbol.

    Attributes:
        symbol: the symbol.
        opened_at_us: shape (rows,), microseconds since 1970, UTC.
        values: shape (5, rows), in the order of `VALUES`; NaN if there is no value.

    """

    symbol: str
    opened_at_us: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def count(self) -> int:
        """How many rows."""
        return self.opened_at_us.size

    def pick(self, kept: NDArray[np.bool_]) -> "SymbolRows":
        """Return the rows that a mask of shape (rows,) selects."""
        return self if kept.all() else SymbolRows(self.symbol, self.opened_at_us[kept], self.values[:, kept])


def count_days(opened_at_us: NDArray[np.int64], interval: Interval) -> NDArray[np.int64]:
    """Return the day of each bar, in days since 1970: of an intraday bar by Japan's clock."""
    # Japan has had no daylight saving time since 1951.
    return (opened_at_us + (9 * 3_600_000_000 if interval.is_intraday else 0)) // 86_400_000_000


def build_frame(parts: Sequence[SymbolRows]) -> pl.DataFrame:
    """Return all rows of some parts, at least one, in `RAW_BAR_SCHEMA`, one part after the other."""
    values = np.concatenate([part.values for part in parts], axis=1)
    symbols = pl.Series("symbol", [part.symbol for part in parts], dtype=pl.String())
    return pl.DataFrame(
        {
            "symbol": symbols.gather(np.repeat(np.arange(len(parts)), [part.count for part in parts])),
            "opened_at": pl.Series(np.concatenate([part.opened_at_us for part in parts])).cast(
                RAW_BAR_SCHEMA["opened_at"]
            ),
            **{name: pl.Series(name, row, nan_to_null=True) for name, row in zip(VALUES, values, strict=True)},
        }
    )
