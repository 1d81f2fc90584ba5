"""Planted errors: what can be wrong with the data, how often, and the list of what was really done."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

#: One row per planted error; `opened_at` is null where the error is one of the whole session.
MANIFEST_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "session": pl.Date(),
        "opened_at": pl.Datetime("us", "UTC"),
        "fault": pl.String(),
    }
)


class Fault(StrEnum):
    """A kind of planted error; each is a field of `SyntheticFaults`."""

    # Of a whole session, at most one for a symbol.
    MISSING_BLOCK = "missing_block"
    MISSING_SYMBOL = "missing_symbol"
    STALE_DAY = "stale_day"
    TZ_SHIFT_9H = "tz_shift_9h"
    UNADJUSTED_SPLIT = "unadjusted_split"
    EARLY_SPLIT = "early_split"
    LATE_CORRECTION = "late_correction"
    AUCTION_MISSING = "auction_missing"
    # Of a bar, at most one each, and only in sessions without one of the above.
    DUP = "dup"
    MISSING_MINUTE = "missing_minute"
    OHLC_SWAP = "ohlc_swap"
    NEG_VOLUME = "neg_volume"
    ZERO_PRICE = "zero_price"
    X100_OR_X10 = "x100_or_x10"
    OFF_TICK = "off_tick"
    LIMIT_BREACH = "limit_breach"
    FUTURE_BAR = "future_bar"


#: Faults drawn once per symbol and session.
SESSION_FAULTS = tuple(Fault)[:8]
#: Faults drawn once per bar.
BAR_FAULTS = tuple(Fault)[8:]


@dataclass(frozen=True, slots=True)
class SyntheticFaults:
    """How often each error is planted: per bar, or, for `SESSION_FAULTS`, per symbol and session.

    The defaults are rates as they are met in practice; `none()` is the base for planting a single kind.

    Attributes:
        dup: a bar comes twice, an earlier state of its volume first.
        missing_minute: a bar that traded is left out.
        missing_block: the bars of 10 to 60 minutes are left out.
        missing_symbol: all bars of the session are left out, and nobody says so.
        ohlc_swap: high and low are exchanged.
        neg_volume: the volume has the wrong sign.
        zero_price: all four prices are 0.
        x100_or_x10: all four prices are 10 or 100 times too high.
        stale_day: the bars are those of the session before, under today's stamps.
        tz_shift_9h: JST was taken for UTC, so that stamps are 9 hours late.
        off_tick: the close lies between two ticks.
        limit_breach: the high lies above the daily limit.
        unadjusted_split: prices are a split's ratio too high.
        early_split: prices are a split's ratio too low.
        late_correction: up to the end of the session's day the last close is one tick off.
        auction_missing: the bar of the closing auction is left out.
        future_bar: a bar comes again, twenty years later.

    """

    missing_block: float = 0.002
    missing_symbol: float = 0.01
    stale_day: float = 0.001
    tz_shift_9h: float = 0.0005
    unadjusted_split: float = 0.00025
    early_split: float = 0.00025
    late_correction: float = 0.01
    auction_missing: float = 0.01
    dup: float = 0.002
    missing_minute: float = 0.005
    ohlc_swap: float = 0.0005
    neg_volume: float = 0.0002
    zero_price: float = 0.0002
    x100_or_x10: float = 0.0002
    off_tick: float = 0.001
    limit_breach: float = 0.0002
    future_bar: float = 0.0001

    @classmethod
    def none(cls) -> Self:
        """Return rates of zero throughout."""
        return cls(*[0.0] * len(Fault))

    def rates(self, faults: Sequence[Fault]) -> NDArray[np.float64]:
        """Return the rates of some faults, in their order."""
        return np.array([getattr(self, fault.value) for fault in faults], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Planted:
    """Planted errors of one kind: the symbols' numbers, and UTC epoch seconds, -1 for a session."""

    fault: Fault
    row: NDArray[np.int64]
    stamp: NDArray[np.int64]


def build_manifest(symbols: Sequence[str], session: date, planted: Sequence[Planted]) -> pl.DataFrame:
    """Return planted errors of one session in `MANIFEST_SCHEMA`; `row` counts in `symbols`."""
    names = pl.Series("symbol", symbols, dtype=pl.String())
    parts = [
        pl.DataFrame(
            {
                "symbol": names.gather(pl.Series(p.row)),
                "session": session,
                "opened_at": pl.Series(p.stamp).replace(-1, None) * 1_000_000,
                "fault": p.fault.value,
            }
        ).cast(MANIFEST_SCHEMA)
        for p in planted
        if len(p.row)
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=MANIFEST_SCHEMA)
