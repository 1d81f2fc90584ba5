"""Layer B: a year of daily prices, volumes and events for a block of synthetic symbols."""

from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from kaboom.market.calendar import sessions_between
from kaboom.market.rules import Bools, daily_limits, limit_bounds, round_to_tick
from kaboom.providers.synthetic.anchors import Splits, Traits, anchor_prices, build_traits, draw_splits
from kaboom.providers.synthetic.returns import Events, Returns, SessionKind, draw_events, draw_returns
from kaboom.providers.synthetic.rng import Floats, Stream, bounded_normals, hash_words, uniform_pairs, uniforms

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


# A block of 100 symbols takes about 0.7 MB: 64 blocks hold every issue of the three sections for a year.
_CACHED_BLOCKS = 64

_OVERNIGHT_SHARE = 0.45
_VOLUME_SIGMA = 0.35
#: Below this many lots a day has no room for an excursion beyond its open and close.
LEAST_LOTS_FOR_RANGE = 10
_LOCKED_SHARE = 0.05
_HALTED_SHARE = 0.7
_LONGEST_DELAY_STEPS = 20

Ints = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class YearKey:
    """The inputs of a year of a block."""

    seed: int
    codes: tuple[str, ...]
    scales: tuple[str, ...]
    year: int


@dataclass(frozen=True, slots=True)
class YearBlock:
    """A year of N symbols over S sessions; arrays of shape [N, S] unless said otherwise.

    Attributes:
        traits: the symbols' constants.
        sessions: the S session dates.
        splits: the symbols' splits in the year.
        base, open, high, low, close: prices in tenths of a yen, so that they are exact.
        lots: lots traded in the session.
        kind: a `SessionKind`.
        delay: minutes until the first trade, while special quotes are shown.

    """

    traits: Traits
    sessions: tuple[date, ...]
    splits: Splits
    base: Ints
    open: Ints
    high: Ints
    low: Ints
    close: Ints
    lots: Ints
    kind: NDArray[np.uint8]
    delay: NDArray[np.uint8]


@lru_cache(maxsize=_CACHED_BLOCKS)
def build_year(key: YearKey) -> YearBlock:
    """Return a whole year of a block of symbols, as a pure function of the key.

    The log price is a bridge from the year's anchor to the next year's, so that the first base price of a
    year is the last close of the year before without computing that year.
    """
    traits = build_traits(key.seed, key.codes, key.scales)
    sessions = sessions_between(date(key.year, 1, 1), date(key.year, 12, 31))
    ordinals = np.array([day.toordinal() for day in sessions], dtype=np.int64)
    splits = draw_splits(traits, key.year, len(sessions))
    events = draw_events(traits.keys, ordinals, splits)
    returns = draw_returns(key.seed, traits, ordinals, events)
    first, last = anchor_prices(traits, key.year), anchor_prices(traits, key.year + 1)
    closes = limit_closes(_bridge(first, last, returns, splits.ratio, events), first, events, traits.topix500)
    return _assemble(traits, sessions, ordinals, (splits, closes, returns, events))


def _bridge(first: Floats, last: Floats, returns: Returns, ratio: NDArray[np.int64], events: Events) -> Floats:
    walk = np.cumsum(returns.total, axis=1)
    steps = np.arange(1, walk.shape[1] + 1) / walk.shape[1]
    target = np.log(last / first) + np.log(ratio)
    walk += (target - walk[:, -1])[:, None] * steps
    prices = first[:, None] * np.exp(walk) / events.split_factor
    prices[:, -1] = last
    return prices


def _assemble(
    traits: Traits,
    sessions: tuple[date, ...],
    ordinals: NDArray[np.int64],
    parts: tuple[Splits, Closes, Returns, Events],
) -> YearBlock:
    splits, closes, returns, events = parts
    lots = _lots(traits, ordinals, returns, events)
    opens = _opens(traits, ordinals, closes, returns)
    still = (events.kind == SessionKind.HALTED) | (events.kind == SessionKind.LOCKED)
    opens = np.where(still | (lots == 1), closes.close, opens)
    high, low = _ranges(traits, ordinals, opens, closes, returns)
    narrow = still | (lots < LEAST_LOTS_FOR_RANGE)
    high = np.where(narrow, np.maximum(opens, closes.close), high)
    low = np.where(narrow, np.minimum(opens, closes.close), low)
    return YearBlock(
        traits=traits,
        sessions=sessions,
        splits=splits,
        base=_tenths(closes.base),
        open=_tenths(opens),
        high=_tenths(high),
        low=_tenths(low),
        close=_tenths(closes.close),
        lots=lots.astype(np.int32),
        kind=events.kind,
        delay=np.where(still, 0, _delays(traits, ordinals, opens, closes)).astype(np.uint8),
    )


def _opens(traits: Traits, ordinals: NDArray[np.int64], closes: Closes, returns: Returns) -> Floats:
    noise = bounded_normals(hash_words(traits.keys[:, None], Stream.OPEN, ordinals * 2))
    # Half determined by the day's return, half its own: overnight and intraday moves come out uncorrelated.
    spread = np.sqrt(_OVERNIGHT_SHARE * (1 - _OVERNIGHT_SHARE)) * returns.sigma * noise
    gap = _OVERNIGHT_SHARE * np.log(closes.close / closes.base) + spread
    prices = round_to_tick(closes.base * np.exp(gap), traits.topix500[:, None])
    return np.clip(prices, closes.lower, closes.upper)


def _ranges(
    traits: Traits, ordinals: NDArray[np.int64], opens: Floats, closes: Closes, returns: Returns
) -> tuple[Floats, Floats]:
    # The exact law of the extremes of a Brownian bridge from open to close.
    up, down = uniform_pairs(hash_words(traits.keys[:, None], Stream.RANGE, ordinals))
    move = np.log(closes.close / opens)
    variance = 2 * (1 - _OVERNIGHT_SHARE) * returns.sigma**2
    top = opens * np.exp(0.5 * (move + np.sqrt(move**2 - variance * np.log(up))))
    bottom = opens * np.exp(0.5 * (move - np.sqrt(move**2 - variance * np.log(down))))
    ticks = traits.topix500[:, None]
    high = np.maximum(round_to_tick(top, ticks), np.maximum(opens, closes.close))
    low = np.minimum(round_to_tick(bottom, ticks), np.minimum(opens, closes.close))
    return np.minimum(high, closes.upper), np.maximum(low, closes.lower)


def _lots(traits: Traits, ordinals: NDArray[np.int64], returns: Returns, events: Events) -> Floats:
    noise = bounded_normals(hash_words(traits.keys[:, None], Stream.VOLUME, ordinals))
    surprise = np.minimum(np.abs(returns.total) / traits.volatility[:, None], 5.0)
    lots = traits.lots[:, None] * np.exp(_VOLUME_SIGMA * noise) * (0.7 + 0.4 * surprise)
    lots *= np.select(
        [events.kind == SessionKind.LOCKED, events.kind == SessionKind.PAUSED],
        [_LOCKED_SHARE, _HALTED_SHARE],
        default=1.0,
    )
    return np.where(events.kind == SessionKind.HALTED, 0.0, np.maximum(np.rint(lots), 1.0))


def _delays(traits: Traits, ordinals: NDArray[np.int64], opens: Floats, closes: Closes) -> Floats:
    # A special quote moves by one step (koshin nehaba: a tenth of the limit, at least 5 yen) every 3 minutes.
    step = np.maximum(daily_limits(closes.base) / 10, 5.0)
    steps = np.abs(opens - closes.base) / step
    waits = uniforms(hash_words(traits.keys[:, None], Stream.OPEN, ordinals * 2 + 1)) < 0.4 * steps
    return np.where(waits, 3 * np.minimum(np.floor(steps), _LONGEST_DELAY_STEPS), 0.0)


def _tenths(prices: Floats) -> Ints:
    return np.rint(prices * 10).astype(np.int32)
