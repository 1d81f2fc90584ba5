"""The columns of bars that the formulas use."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from batch.indicators.smoothing import Floats


@dataclass(frozen=True)
class BarColumns:
    """One symbol's bars as arrays, oldest first; `session` is the number of the day in Japan."""

    high: Floats
    low: Floats
    close: Floats
    volume: Floats
    session: NDArray[np.int32]

    @classmethod
    def of(cls, bars: pl.DataFrame) -> "BarColumns":
        """Return the columns of a frame of bars."""
        high, low, close, volume = (
            bars[name].cast(pl.Float64()).to_numpy() for name in ("high", "low", "close", "volume")
        )
        day = bars["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.date().to_physical()
        return cls(high, low, close, volume, day.to_numpy())

    @cached_property
    def typical(self) -> Floats:
        """The typical price of each bar: (high + low + close) / 3."""
        return (self.high + self.low + self.close) / 3
