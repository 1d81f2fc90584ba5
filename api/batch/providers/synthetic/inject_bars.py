"""Planting errors into single bars."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from batch.market.rules import LOT, Bools, round_to_tick, tick_sizes
from batch.providers.synthetic.columns import BarColumns, join_columns
from batch.providers.synthetic.faults import BAR_FAULTS, Fault, Planted, SyntheticFaults
from batch.providers.synthetic.rng import Floats, Stream, Words, hash_words, uniform_pairs

_TWENTY_YEARS_S = 7305 * 86400
_OFF_TICK = 0.3
_BEYOND_LIMIT = 1.05


@dataclass(frozen=True, slots=True)
class BarScene:
    """What planting in bars needs of N symbols: keys, tick class, upper limit; and the interval's number."""

    keys: Words
    topix500: Bools
    upper: Floats
    interval_code: int


def plant_in_bars(bars: BarColumns, scene: BarScene, faults: SyntheticFaults) -> tuple[BarColumns, list[Planted]]:
    """Return the bars with at most one error each, and what was planted."""
    draw, other = uniform_pairs(
        hash_words(scene.keys[bars.row], Stream.BAR_FAULT, bars.stamp * 16 + scene.interval_code)
    )
    kind = np.searchsorted(np.cumsum(faults.rates(BAR_FAULTS)), draw, side="right")
    # Exchanging equal prices is no error.
    kind[(kind == BAR_FAULTS.index(Fault.OHLC_SWAP)) & (bars.high == bars.low)] = len(BAR_FAULTS)
    where = {fault: np.flatnonzero(kind == number) for number, fault in enumerate(BAR_FAULTS)}
    planted = [Planted(fault, bars.row[at], bars.stamp[at]) for fault, at in where.items()]
    changed = _change_prices(bars, scene, where, other)
    changed = _change_volume(changed, where[Fault.NEG_VOLUME])
    later = bars.take(where[Fault.FUTURE_BAR]).shift(_TWENTY_YEARS_S)
    planted[BAR_FAULTS.index(Fault.FUTURE_BAR)] = Planted(Fault.FUTURE_BAR, later.row, later.stamp)
    return join_columns([_repeat_and_drop(changed, where), later]), planted


def _change_prices(
    bars: BarColumns, scene: BarScene, where: dict[Fault, NDArray[np.intp]], other: Floats
) -> BarColumns:
    opened, high, low, close = (p.copy() for p in (bars.open, bars.high, bars.low, bars.close))
    at = where[Fault.OHLC_SWAP]
    high[at], low[at] = low[at], high[at]
    for prices in (opened, high, low, close):
        prices[where[Fault.ZERO_PRICE]] = 0.0
        at = where[Fault.X100_OR_X10]
        prices[at] = np.round(prices[at] * np.where(other[at] < 0.5, 10, 100), 1)
    at = where[Fault.OFF_TICK]
    close[at] += _OFF_TICK * tick_sizes(close[at], scene.topix500[bars.row[at]])
    high[at] = np.maximum(high[at], close[at])
    at = where[Fault.LIMIT_BREACH]
    row = bars.row[at]
    high[at] = round_to_tick(scene.upper[row] * _BEYOND_LIMIT, scene.topix500[row], direction="up")
    return replace(bars, open=opened, high=high, low=low, close=close)


def _change_volume(bars: BarColumns, negative: NDArray[np.intp]) -> BarColumns:
    volume = bars.volume.copy()
    volume[negative] *= -1
    return replace(bars, volume=volume)


def _repeat_and_drop(bars: BarColumns, where: dict[Fault, NDArray[np.intp]]) -> BarColumns:
    copies = np.ones(len(bars.row), dtype=np.intp)
    copies[where[Fault.DUP]] = 2
    copies[where[Fault.MISSING_MINUTE]] = 0
    result = bars.take(np.repeat(np.arange(len(copies)), copies))
    # The first of the two is the earlier state, so that whoever keeps the last one keeps the truth.
    earlier = np.cumsum(copies)[where[Fault.DUP]] - 2
    result.volume[earlier] += LOT
    return result
