"""Soft quality rules: oddities of a good bar, as flags that are stored with it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kaboom.bars.quality.hard_rules import Columns
from kaboom.bars.quality.slot_table import Ints, SlotTable
from kaboom.market.bar import BarFlag
from kaboom.market.rules import Bools, Floats, is_multiple, is_on_tick, limit_bounds, tick_sizes

#: Ratios of splits and reverse splits. 1.1 to 1.3 are left out: an ordinary bad morning looks like them.
SPLIT_RATIOS = np.array([1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 10, 15, 20, 25, 30, 50, 100])
SPLIT_TOLERANCE = 0.03
STALE_BARS = 20
JUMP_RETURN = 0.10
#: A symbol that trades in the last five minutes also trades in the closing auction.
LATE_MINUTES = 5

# Relative tolerance: a price that was a float32 is off by 6e-8, a tick is at least 2e-5.
_SLACK = 1e-6

Flags = NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Runs:
    """The bars of one symbol in one session as a range of rows: first, last, and the close before the first.

    `base` is the base price of the daily limit: that close if it is of the session just before, else NaN.
    """

    first: Ints
    last: Ints
    previous_close: Floats
    base: Floats

    @property
    def lengths(self) -> Ints:
        """The number of bars of each."""
        return self.last - self.first + 1


def find_runs(bars: Columns, known_closes: Floats) -> Runs:
    """Return the runs of sorted bars; `known_closes` has each symbol's close before the first session, or NaN."""
    cut = (bars.code[1:] != bars.code[:-1]) | (bars.session[1:] != bars.session[:-1])
    first = np.concatenate([[0], np.flatnonzero(cut) + 1])
    last = np.append(first[1:] - 1, bars.code.size - 1)
    code, session = bars.code[first], bars.session[first]
    follows = np.append(False, code[1:] == code[:-1])
    before = np.append(np.nan, bars.prices[3][last[:-1]])
    previous = np.where(follows, before, known_closes[code])
    gap = follows & (np.append(0, np.diff(session)) != 1)
    return Runs(first, last, previous, np.where(gap, np.nan, previous))


def flag_splits(flags: Flags, bars: Columns, runs: Runs) -> Bools:
    """Flag the first bar of a session that opens a split's ratio from the previous close; return which runs."""
    ratio = bars.prices[0][runs.first] / runs.previous_close
    far = np.flatnonzero((ratio < 1 - JUMP_RETURN) | (ratio > 1 + JUMP_RETURN))

    folded = ratio[far, None]
    split = np.abs(folded * SPLIT_RATIOS - 1) <= SPLIT_TOLERANCE
    merged = np.abs(folded / SPLIT_RATIOS - 1) <= SPLIT_TOLERANCE
    suspects = np.zeros(ratio.size, dtype=np.bool_)
    suspects[far[(split | merged).any(axis=1)]] = True
    flags[runs.first[suspects]] |= np.uint16(BarFlag.SPLIT_SUSPECT)
    return suspects


def flag_limits(flags: Flags, bars: Columns, runs: Runs, *, exempt: Bools) -> None:
    """Flag bars beyond the daily limit from the base price, unless a split makes the base price unknown."""
    _, high, low, _ = bars.prices
    lower, upper = limit_bounds(np.where(exempt, np.nan, runs.base))
    lower, upper = lower * (1 - _SLACK), upper * (1 + _SLACK)
    highest, lowest = np.maximum.reduceat(high, runs.first), np.minimum.reduceat(low, runs.first)
    if not ((highest > upper) | (lowest < lower)).any():
        return
    beyond = (high > np.repeat(upper, runs.lengths)) | (low < np.repeat(lower, runs.lengths))
    flags[beyond] |= np.uint16(BarFlag.LIMIT_BREACH)


def flag_ticks(flags: Flags, bars: Columns, topix500: Bools) -> None:
    """Flag bars with a price that is not a multiple of its tick; `topix500` says which symbols have finer ticks."""
    fine = topix500[bars.code]
    # A smaller tick divides a larger one, so prices that are multiples of the high's tick are legal.
    coarse = tick_sizes(bars.prices[1], fine)
    legal = np.logical_and.reduce([is_multiple(price, coarse) for price in bars.prices])
    rest = np.flatnonzero(~legal)
    legal[rest] = np.logical_and.reduce([is_on_tick(price[rest], fine[rest]) for price in bars.prices])
    flags[~legal] |= np.uint16(BarFlag.OFF_TICK)


def flag_stale(flags: Flags, bars: Columns) -> None:
    """Flag every bar of 20 or more successive bars with the same prices and the same volume, which is not 0.

    A hanging feed repeats all five values. Equal prices alone do not count: an issue at 150 yen may trade at one tick
    for hours.
    """
    same = (bars.volume[1:] == bars.volume[:-1]) & (bars.volume[1:] > 0)
    same &= (bars.code[1:] == bars.code[:-1]) & (bars.slot[1:] == bars.slot[:-1] + 1)
    for price in bars.prices:
        same &= price[1:] == price[:-1]
    pairs = np.flatnonzero(same)
    if pairs.size < STALE_BARS - 1:
        return
    ends = np.append(np.flatnonzero(np.diff(pairs) != 1), pairs.size - 1)
    starts = np.append(0, ends[:-1] + 1)
    long = ends - starts + 2 >= STALE_BARS
    step = np.zeros(flags.size + 1, dtype=np.int32)
    step[pairs[starts[long]]] += 1
    step[pairs[ends[long]] + 2] -= 1
    flags[np.cumsum(step[:-1]) > 0] |= np.uint16(BarFlag.STALE)


def flag_jumps(flags: Flags, bars: Columns, table: SlotTable) -> None:
    """Flag 1m bars whose close is more than 10 % from the previous one; auctions and first bars may jump."""
    close = bars.prices[3]
    move = close[1:] / close[:-1]
    far = np.flatnonzero((move > 1 + JUMP_RETURN) | (move < 1 - JUMP_RETURN)) + 1
    before, session = far - 1, bars.session[far]
    same = (bars.code[far] == bars.code[before]) & (session == bars.session[before])
    morning, close_slot = table.auctions[session].T
    slot = bars.slot[far]
    auction = (slot == morning) | (slot == close_slot)
    first_of_afternoon = (morning >= 0) & (bars.slot[before] <= morning) & (slot > morning)
    flags[far[same & ~auction & ~first_of_afternoon]] |= np.uint16(BarFlag.JUMP)


def flag_auctions(flags: Flags, bars: Columns, runs: Runs, table: SlotTable) -> None:
    """Flag the last bar of a session that traded in the last five minutes but has no closing auction."""
    early = table.awaited[bars.session[runs.last]] - bars.slot[runs.last]
    missing = (early >= 0) & (early < LATE_MINUTES)
    flags[runs.last[missing]] |= np.uint16(BarFlag.AUCTION_MISSING)
