"""Layer C: the minutes of a session, drawn so that together they are exactly the day of layer B."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import date
from functools import lru_cache
from typing import Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.market.bar import RAW_BAR_SCHEMA, VALUES
from kaboom.market.bounds import LOT
from kaboom.market.calendar import auction_stamps, minute_grid
from kaboom.market.rules import Bools, round_to_tick, tick_sizes
from kaboom.providers.synthetic.daily import LEAST_LOTS_FOR_RANGE, YearBlock
from kaboom.providers.synthetic.returns import SessionKind
from kaboom.providers.synthetic.rng import Floats, Stream, Words, bounded_normals, hash_words, uniform_pairs, uniforms


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


# Shares of the day's volume. They are assumptions: no source that could be cited was found.
OPEN_SHARE = 0.04
_FIRST_TEN_SHARE = 0.09
AM_AUCTION_SHARE = 0.01
CLOSE_SHARE = 0.12
_REST_SHARE = 1 - OPEN_SHARE - _FIRST_TEN_SHARE - AM_AUCTION_SHARE - CLOSE_SHARE


@dataclass(frozen=True, slots=True)
class Profile:
    """The shape of a session of T one-minute steps.

    Attributes:
        stamps: UTC epoch seconds of the steps, [T].
        volume: share of each step in continuous trading, without the opening auction; 0 at auctions, [T].
        movement: share of each step in the day's price variance, [T].
        am_auction, close_auction: the numbers of the two steps that have a single price.

    """

    stamps: NDArray[np.int64]
    volume: Floats
    movement: Floats
    am_auction: int
    close_auction: int


@lru_cache(maxsize=64)
def build_profile(session: date) -> Profile:
    """Return the shape of one session."""
    stamps = np.array(minute_grid(session), dtype=np.int64)
    am, close = (int(np.searchsorted(stamps, stamp)) for stamp in auction_stamps(session))
    am_t, pm_t = np.arange(am), np.arange(close - am - 1)
    morning = 1 + 4.5 * np.exp(-am_t / 8) + 0.5 * (am_t / 150) ** 3
    afternoon = 0.8 + 1.2 * np.exp(-pm_t / 6) + 1.6 * (pm_t / 175) ** 4
    curve = np.concatenate([morning, [0.0], afternoon, [0.0]])
    volume = curve * _REST_SHARE / curve[10:].sum()
    volume[:10] = curve[:10] * _FIRST_TEN_SHARE / curve[:10].sum()
    movement = curve / curve.sum()
    # Auctions move a little from the last price, and so does the first price after lunch.
    movement[am], movement[close], movement[am + 1] = 0.005, 0.01, movement[am + 1] + 0.02
    return Profile(stamps, volume, movement / movement.sum(), am, close)


# How far the path strays from the straight line between open and close, as a share of the day's range.
_STRAY = 0.8
# The longest wick of a minute, in standard deviations of the minute's move.
_WICK = 0.8
_MOST_STRETCH = 4.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 30, 90


@dataclass(frozen=True, slots=True)
class _Prices:
    open: Floats
    high: Floats
    low: Floats
    close: Floats


@dataclass(frozen=True, slots=True)
class _Day(_Prices):
    # One session of N symbols: prices in ticks, shape [N, 1]; the steps of the first and last trade, [N]
    first: NDArray[np.intp]
    last: NDArray[np.intp]


def build_minutes(block: YearBlock, session: date) -> BarColumns:
    """Return the 1m bars of every symbol of a block in one session, by symbol, then time.

    Raises:
        ValueError: the session is not one of the block's year.

    """
    number = block.sessions.index(session)
    profile = build_profile(session)
    ordinal = np.array([session.toordinal()], dtype=np.int64)
    keys = hash_words(block.traits.keys, Stream.SESSION, ordinal)
    volume = SessionVolume(
        block.lots[:, number].astype(np.int64), block.kind[:, number], block.delay[:, number].astype(np.int64)
    )
    lots = deal_lots(keys, volume, profile)
    tick = _tick_tenths(block, number)
    day = _day(block, number, lots, tick)
    prices = _prices(keys, day, lots, profile)
    yen = _to_yen(prices, day, tick, block.traits.topix500)
    row, step = np.nonzero(lots)
    opened, high, low, close = (p[row, step] for p in (yen.open, yen.high, yen.low, yen.close))
    shares = (lots[row, step] * LOT).astype(np.float64)
    return BarColumns(row, profile.stamps[step], opened, high, low, close, shares)


def _tick_tenths(block: YearBlock, number: int) -> Floats:
    # The tick at the day's low divides every larger one of the same class.
    return np.rint(tick_sizes(block.low[:, number] / 10, block.traits.topix500) * 10)[:, None]


def _day(block: YearBlock, number: int, lots: NDArray[np.int64], tick: Floats) -> _Day:
    active = lots > 0
    prices = (p[:, number, None] / tick for p in (block.open, block.high, block.low, block.close))
    opened, high, low, close = prices
    first = np.argmax(active, axis=1)
    last = active.shape[1] - 1 - np.argmax(active[:, ::-1], axis=1)
    return _Day(opened, high, low, close, first, last)


def _prices(keys: Words, day: _Day, lots: NDArray[np.int64], profile: Profile) -> _Prices:
    path = _path(keys, day, lots, profile)
    rows = np.arange(len(lots))
    before = np.hstack([path[:, :1], path[:, :-1]])
    up, down = uniform_pairs(hash_words(keys[:, None], Stream.WICK, np.arange(lots.shape[1])))
    wick = _WICK * _STRAY * (day.high - day.low) * np.sqrt(profile.movement)
    high, low = np.maximum(path, before) + wick * up, np.minimum(path, before) - wick * down
    opened, high, low, close = (np.clip(np.rint(p), day.low, day.high) for p in (before, high, low, path))
    opened[rows, day.first] = day.open[:, 0]
    close[rows, day.last] = day.close[:, 0]
    # One lot is one trade, and an auction has one price.
    auctions = [profile.am_auction, profile.close_auction]
    single = lots == 1
    single[:, auctions] = True
    alone = single[rows, day.first] & (day.first != day.last)
    close[rows[alone], day.first[alone]] = day.open[alone, 0]
    opened = np.where(single, close, opened)
    high = np.where(single, close, np.maximum(high, np.maximum(opened, close)))
    low = np.where(single, close, np.minimum(low, np.minimum(opened, close)))
    roomy = (lots > 0) & ~single
    # If a row has only minutes of a single lot, its continuous minutes may have a range nevertheless.
    bare = ~roomy.any(axis=1) & (lots.sum(axis=1) >= LEAST_LOTS_FOR_RANGE)
    roomy[bare] = lots[bare] > 0
    roomy[:, auctions] = False
    prices = _Prices(opened, high, low, close)
    _touch(prices, day, lots > 0, roomy)
    return prices


def _path(keys: Words, day: _Day, lots: NDArray[np.int64], profile: Profile) -> Floats:
    # Return the price at the end of each minute: a bridge from open to close, bent to reach high and low
    rows, steps = np.arange(len(lots)), np.arange(lots.shape[1])
    moves = bounded_normals(hash_words(keys[:, None], Stream.PATH, steps)) * np.sqrt(profile.movement)
    walk = np.cumsum(moves, axis=1)
    clock = np.cumsum(profile.movement)
    starts = clock[day.first] - profile.movement[day.first]
    done = (clock - starts[:, None]) / (clock[day.last] - starts)[:, None]
    walk -= (walk[rows, day.first] - moves[rows, day.first])[:, None]
    walk -= done * walk[rows, day.last][:, None]
    path = day.open + (day.close - day.open) * done + _STRAY * (day.high - day.low) * walk
    top, bottom = np.maximum(day.open, day.close), np.minimum(day.open, day.close)
    traded = lots > 0
    above, below = np.maximum(path - top, 0.0), np.minimum(path - bottom, 0.0)
    # Where no traded minute lies beyond open and close there is nothing to stretch; `_touch` does the rest.
    highest = np.maximum((above * traded).max(axis=1, keepdims=True), 1e-9)
    lowest = np.minimum((below * traded).min(axis=1, keepdims=True), -1e-9)
    above *= np.minimum((day.high - top) / highest, _MOST_STRETCH)
    below *= np.minimum((day.low - bottom) / lowest, _MOST_STRETCH)
    return np.clip(path, bottom, top) + above + below


def _touch(prices: _Prices, day: _Day, traded: Bools, roomy: Bools) -> None:
    # Give the day's high and low to the roomy bars nearest to them, where rounding has left all short
    can = roomy.any(axis=1)
    reached = np.where(traded, prices.high, -np.inf).max(axis=1)
    rows = np.flatnonzero(can & (reached < day.high[:, 0]))
    nearest = np.where(roomy[rows], prices.high[rows], -np.inf).argmax(axis=1)
    prices.high[rows, nearest] = day.high[rows, 0]
    reached = np.where(traded, prices.low, np.inf).min(axis=1)
    rows = np.flatnonzero(can & (reached > day.low[:, 0]))
    nearest = np.where(roomy[rows], prices.low[rows], np.inf).argmin(axis=1)
    prices.low[rows, nearest] = day.low[rows, 0]


def _to_yen(prices: _Prices, day: _Day, tick: Floats, topix500: Bools) -> _Prices:
    # Whole tenths divided by ten are the floats that a decimal such as 1234.5 parses to.
    columns = [p * tick / 10 for p in (prices.open, prices.high, prices.low, prices.close)]
    range_yen = np.hstack([day.low, day.high]) * tick / 10
    ticks = tick_sizes(range_yen, topix500[:, None])
    crossing = np.flatnonzero(ticks[:, 0] != ticks[:, 1])
    if len(crossing):
        for column in columns:
            column[crossing] = round_to_tick(column[crossing], topix500[crossing, None])
    return _Prices(*columns)


@dataclass(frozen=True, slots=True)
class SessionVolume:
    """One session of N symbols: lots traded, `SessionKind`, and minutes until the first trade; shape [N]."""

    lots: NDArray[np.int64]
    kind: NDArray[np.uint8]
    delay: NDArray[np.int64]


def deal_lots(keys: Words, volume: SessionVolume, profile: Profile) -> NDArray[np.int64]:
    """Return the lots of each minute, shape [N, T], rows summing to `volume.lots`; `keys` are per session.

    Counts are a Gamma(2) mixture of Poisson counts, given their sum: minutes get gamma weights, and each lot
    falls at random within its own equal slice of the total weight.
    """
    am, close = _auction_lots(keys, volume)
    continuous = volume.lots - am - close
    weights = _weights(keys, volume, profile)
    reached = np.cumsum(weights, axis=1)
    reached *= (continuous / reached[:, -1])[:, None]
    # The last cumulative weight may differ from the number of lots by rounding, so it is set exactly.
    reached[:, profile.close_auction - 1 :] = continuous[:, None]
    whole = np.floor(reached)
    chance = uniforms(hash_words(keys[:, None], Stream.ALLOT, whole.astype(np.int64)))
    dealt = (whole + (chance < reached - whole)).astype(np.int64)
    lots = np.diff(dealt, axis=1, prepend=0)
    lots[:, profile.am_auction] += am
    lots[:, profile.close_auction] += close
    return lots


def _auction_lots(keys: Words, volume: SessionVolume) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    chances = uniforms(hash_words(keys[:, None], Stream.LOTS, np.arange(4)))
    mood = 0.5 + chances[:, 2]
    am = np.floor(volume.lots * AM_AUCTION_SHARE * mood + chances[:, 0]).astype(np.int64)
    close = np.floor(volume.lots * CLOSE_SHARE * mood + chances[:, 1]).astype(np.int64)
    # A day's open and close are two prices, and an auction has but one: keep a lot for continuous trading.
    few = volume.lots < 3
    locked = volume.kind == SessionKind.LOCKED
    am = np.where(few | locked, 0, am)
    close = np.where(few, 0, close)
    return am, np.where(locked, volume.lots, close)


def _weights(keys: Words, volume: SessionVolume, profile: Profile) -> Floats:
    steps = np.arange(len(profile.stamps))
    first, second = uniform_pairs(hash_words(keys[:, None], Stream.VOLUME, steps))
    weights = np.broadcast_to(profile.volume, first.shape).copy()
    weights[np.arange(len(weights)), volume.delay] += OPEN_SHARE
    weights *= -np.log(first * second)
    late = np.flatnonzero(volume.delay)
    if len(late):
        weights[late] *= steps >= volume.delay[late, None]
    paused = np.flatnonzero(volume.kind == SessionKind.PAUSED)
    if len(paused):
        weights[paused] *= ~_pause(keys[paused], steps)
    return weights


def _pause(keys: Words, steps: NDArray[np.int64]) -> NDArray[np.bool_]:
    start, length = uniforms(hash_words(keys[:, None], Stream.EVENT, np.arange(2))).T
    begins = np.floor(start * (len(steps) - _LONGEST_PAUSE))[:, None]
    lasts = np.floor(_SHORTEST_PAUSE + length * (_LONGEST_PAUSE - _SHORTEST_PAUSE))[:, None]
    return np.asarray((steps >= begins) & (steps < begins + lasts), dtype=np.bool_)
