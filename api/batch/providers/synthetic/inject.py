"""Planting errors into the bars of one session, and saying exactly which."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
from numpy.typing import NDArray

from batch.market.calendar import auction_stamps
from batch.market.interval import Interval
from batch.market.rules import Bools, round_to_tick, tick_sizes
from batch.providers.synthetic import inject_bars
from batch.providers.synthetic.columns import BarColumns, join_columns
from batch.providers.synthetic.faults import SESSION_FAULTS, Fault, Planted, SyntheticFaults
from batch.providers.synthetic.rng import Floats, Stream, Words, hash_words, uniform_pairs, uniforms

_NINE_HOURS_S = 9 * 3600
_RATIOS = np.array([2.0, 3.0, 5.0, 10.0])
_SHORTEST_BLOCK_S, _LONGEST_BLOCK_S = 600, 3600
_MOST_CORRECTION = 0.01


@dataclass(frozen=True, slots=True)
class Scene:
    """Where errors are planted: one interval of one session of N symbols.

    Attributes:
        session: the session.
        interval: the bars' length.
        keys: the symbols' keys, [N].
        topix500: their tick class, [N].
        upper: the highest legal price of the session, in yen, [N].
        preliminary: whether the session's day is not over yet, so that late corrections are still to come.
        yesterday: gives the bars of the session before, under this session's stamps.

    """

    session: date
    interval: Interval
    keys: Words
    topix500: Bools
    upper: Floats
    preliminary: bool
    yesterday: Callable[[], BarColumns]


def plant_faults(bars: BarColumns, scene: Scene, faults: SyntheticFaults) -> tuple[BarColumns, list[Planted]]:
    """Return the bars with errors, and what was planted; deterministic per symbol, session and bar."""
    code = list(Interval).index(scene.interval)
    counter = np.array([scene.session.toordinal() * 16 + code], dtype=np.int64)
    draw, other = uniform_pairs(hash_words(scene.keys, Stream.SESSION_FAULT, counter))
    kind = np.searchsorted(np.cumsum(faults.rates(SESSION_FAULTS)), draw, side="right")
    plain, planted = inject_bars.plant_in_bars(
        bars.take(kind[bars.row] == len(SESSION_FAULTS)),
        inject_bars.BarScene(scene.keys, scene.topix500, scene.upper, code),
        faults,
    )
    parts = [plain]
    for number, fault in enumerate(SESSION_FAULTS):
        chosen = bars.take(kind[bars.row] == number)
        if len(chosen.row):
            changed, done = _PLANTERS[fault](chosen, scene, other)
            parts.append(changed)
            planted.append(replace(done, fault=fault))
    return join_columns(parts), planted


def _of_sessions(bars: BarColumns) -> Planted:
    rows = np.unique(bars.row)
    return Planted(Fault.STALE_DAY, rows, np.full(len(rows), -1, dtype=np.int64))


def _of_bars(bars: BarColumns, which: Bools | NDArray[np.intp]) -> Planted:
    return Planted(Fault.MISSING_BLOCK, bars.row[which], bars.stamp[which])


def _nothing(bars: BarColumns) -> Planted:
    return _of_bars(bars, np.zeros(len(bars.row), dtype=np.bool_))


def _miss_symbol(bars: BarColumns, _scene: Scene, _other: Floats) -> tuple[BarColumns, Planted]:
    return bars.take(np.zeros(len(bars.row), dtype=np.bool_)), _of_sessions(bars)


def _miss_block(bars: BarColumns, scene: Scene, other: Floats) -> tuple[BarColumns, Planted]:
    if not scene.interval.is_intraday:
        return bars, _nothing(bars)
    first, last = _ends(bars)
    length = _SHORTEST_BLOCK_S + (_LONGEST_BLOCK_S - _SHORTEST_BLOCK_S) * uniforms(
        hash_words(scene.keys, Stream.SESSION_FAULT, np.array([scene.session.toordinal() * 16 + 15]))
    )
    begin = bars.stamp[first] + other[bars.row[first]] * (bars.stamp[last] - bars.stamp[first])
    begins = np.repeat(begin, last - first + 1)
    gone = (bars.stamp >= begins) & (bars.stamp < begins + length[bars.row])
    return bars.take(~gone), _of_bars(bars, gone)


def _repeat_yesterday(bars: BarColumns, scene: Scene, _other: Floats) -> tuple[BarColumns, Planted]:
    old = scene.yesterday()
    old = old.take(np.isin(old.row, bars.row))
    kept = bars.take(~np.isin(bars.row, old.row))
    return join_columns([kept, old]), _of_sessions(old)


def _shift_zone(bars: BarColumns, _scene: Scene, _other: Floats) -> tuple[BarColumns, Planted]:
    return bars.shift(_NINE_HOURS_S), _of_sessions(bars)


def _leave_split(bars: BarColumns, scene: Scene, other: Floats) -> tuple[BarColumns, Planted]:
    ratio = _ratio(bars, other)
    return _rescale(bars, scene, ratio), _of_sessions(bars)


def _split_early(bars: BarColumns, scene: Scene, other: Floats) -> tuple[BarColumns, Planted]:
    return _rescale(bars, scene, 1 / _ratio(bars, other)), _of_sessions(bars)


def _correct_late(bars: BarColumns, scene: Scene, other: Floats) -> tuple[BarColumns, Planted]:
    if not scene.preliminary:
        return bars, _nothing(bars)
    _, last = _ends(bars)
    tick = tick_sizes(bars.close[last], scene.topix500[bars.row[last]])
    last, tick = last[small := tick / bars.close[last] <= _MOST_CORRECTION], tick[small]
    close = bars.close.copy()
    close[last] = np.round(close[last] + np.where(other[bars.row[last]] < 0.5, tick, -tick), 1)
    high, low = np.maximum(bars.high, close), np.minimum(bars.low, close)
    return replace(bars, close=close, high=high, low=low), _of_bars(bars, last)


def _miss_auction(bars: BarColumns, scene: Scene, _other: Floats) -> tuple[BarColumns, Planted]:
    # The auction is a bar of its own only where its stamp is; a 1h bar holds more than the auction.
    gone = bars.stamp == auction_stamps(scene.session)[1]
    if scene.interval is Interval.D1:
        gone[:] = False
    return bars.take(~gone), _of_bars(bars, gone)


def _ends(bars: BarColumns) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first = np.flatnonzero(np.diff(bars.row, prepend=-1))
    return first, np.append(first[1:], len(bars.row)) - 1


def _ratio(bars: BarColumns, other: Floats) -> Floats:
    return np.asarray(_RATIOS[(other[bars.row] * len(_RATIOS)).astype(np.intp)], dtype=np.float64)


def _rescale(bars: BarColumns, scene: Scene, factor: Floats) -> BarColumns:
    fine = scene.topix500[bars.row]
    prices = (bars.open, bars.high, bars.low, bars.close)
    opened, high, low, close = (round_to_tick(price * factor, fine) for price in prices)
    return replace(bars, open=opened, high=high, low=low, close=close)


_PLANTERS = {
    Fault.MISSING_BLOCK: _miss_block,
    Fault.MISSING_SYMBOL: _miss_symbol,
    Fault.STALE_DAY: _repeat_yesterday,
    Fault.TZ_SHIFT_9H: _shift_zone,
    Fault.UNADJUSTED_SPLIT: _leave_split,
    Fault.EARLY_SPLIT: _split_early,
    Fault.LATE_CORRECTION: _correct_late,
    Fault.AUCTION_MISSING: _miss_auction,
}
