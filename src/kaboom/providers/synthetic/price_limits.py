"""Closes within the daily price limits, which are measured from the previous close."""

from dataclasses import dataclass, fields

import numpy as np

from kaboom.market.rules import Bools, limit_bounds, round_to_tick
from kaboom.providers.synthetic.events import Events, SessionKind
from kaboom.providers.synthetic.rng import Floats

_LEAST_WANTED = 45.0
# Below it the lower limit would leave a price of a few yen.
_LEAST_BASE_TO_LOCK_DOWN = 120.0


@dataclass(frozen=True, slots=True)
class Closes:
    """Base price, limits and close of N symbols over S sessions, in yen, arrays of shape [N, S]."""

    base: Floats
    lower: Floats
    upper: Floats
    close: Floats


def limit_closes(wanted: Floats, first_base: Floats, events: Events, topix500: Bools) -> Closes:
    """Return the closes nearest to the wanted ones that ticks, limits, halts and locks allow.

    A close depends on the one before it only if a limit applies or nothing trades. So all sessions are computed at
    once, and again for the symbols whose closes changed, until none changes.
    """
    wanted = round_to_tick(np.maximum(wanted, _LEAST_WANTED), topix500[:, None])
    result = _limit(wanted, wanted, first_base, events, topix500)
    moved = np.flatnonzero((result.close != wanted).any(axis=1))
    while len(moved):
        before = result.close[moved]
        again = _limit(before, wanted[moved], first_base[moved], _take(events, moved), topix500[moved])
        for name in ("base", "lower", "upper", "close"):
            getattr(result, name)[moved] = getattr(again, name)
        moved = moved[(again.close != before).any(axis=1)]
    return result


def _limit(guess: Floats, wanted: Floats, first_base: Floats, events: Events, topix500: Bools) -> Closes:
    base = np.hstack([first_base[:, None], guess[:, :-1]])
    split = events.split_ratio > 1
    if split.any():
        divided = round_to_tick(base / events.split_ratio, topix500[:, None])
        base = np.where(split, divided, base)
    lowest, highest = limit_bounds(base)
    lower = round_to_tick(lowest, topix500[:, None], direction="up")
    upper = round_to_tick(highest, topix500[:, None], direction="down")
    close = np.clip(wanted, lower, upper)
    falls = ~events.rises & (base >= _LEAST_BASE_TO_LOCK_DOWN)
    close = np.where(events.kind == SessionKind.LOCKED, np.where(falls, lower, upper), close)
    return Closes(base, lower, upper, np.where(events.kind == SessionKind.HALTED, base, close))


def _take(events: Events, rows: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Events:
    return Events(*(getattr(events, each.name)[rows] for each in fields(events)))
