"""Soft quality rules about a whole session of a symbol: holes in it, and sessions that are those of the day before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from batch.bars.quality.grid import Ints, SlotTable
from batch.bars.quality.hard import Columns
from batch.bars.quality.soft import Flags, Runs
from batch.market.bar import BarFlag
from batch.market.rules import Bools, Floats

#: Minutes without a trade, side by side, that may be a hole.
LEAST_HOLE = 4
#: Of fewer bars nobody knows how often their symbol trades.
LEAST_TRADED = 20
#: The most that a hole may be expected by chance, by the share of the symbol's minutes that traded in the session.
MOST_CHANCE = 1e-4
#: So many bars are not the same on two days by chance.
LEAST_REPEATED = 5


@dataclass(frozen=True, slots=True)
class Suspect:
    """A symbol that may have the bars of the session before: where its own of the first session are, and how many."""

    symbol: str
    start: int
    bars: int


def flag_gaps(flags: Flags, bars: Columns, runs: Runs, table: SlotTable) -> None:
    """Flag the 1m bar after a hole, and the last one of a session whose end is missing.

    A thin issue has holes that mean nothing, so each is held against the session's own trades: were they spread evenly,
    its minutes would all be empty less than once in 10,000 sessions. A halt looks the same.
    """
    ranks = table.minute_ranks
    minutes = ranks[:, -1] + 1
    far = np.flatnonzero(bars.slot[1:] - bars.slot[:-1] > LEAST_HOLE) + 1
    run = np.searchsorted(runs.first, far, side="right") - 1
    is_inside = runs.first[run] < far
    far, run = far[is_inside], run[is_inside]
    session = bars.session[far]
    empty = ranks[session, bars.slot[far]] - ranks[session, bars.slot[far - 1]] - 1
    flags[far[_is_hole(empty, runs.lengths[run], minutes[session])]] |= np.uint16(BarFlag.GAP)
    session = bars.session[runs.last]
    is_over = table.awaited[session] >= 0
    empty = np.where(is_over, minutes[session] - ranks[session, bars.slot[runs.last]] - 1, 0)
    flags[runs.last[_is_hole(empty, runs.lengths, minutes[session])]] |= np.uint16(BarFlag.GAP)


def _is_hole(empty: Ints, traded: Ints, minutes: Ints) -> Bools:
    idle = 1 - np.minimum(traded / np.maximum(minutes - empty, 1), 1)
    chance = idle**empty * minutes
    is_hole: Bools = (empty >= LEAST_HOLE) & (traded >= LEAST_TRADED) & (chance < MOST_CHANCE)
    return is_hole


def flag_repeats(flags: Flags, bars: Columns, runs: Runs) -> None:
    """Flag every bar of a session whose bars are those of the session before, to the last value."""
    before = np.append(0, runs.lengths[:-1])
    same = (runs.lengths == before) & (runs.base == bars.prices[3][runs.last])
    # The close before a symbol's first session is known, its bars are not: those before them are another symbol's.
    same &= ~_starts_symbol(bars, runs)
    for run in np.flatnonzero(same):
        here = slice(runs.first[run], runs.last[run] + 1)
        there = slice(here.start - before[run], here.start)
        columns = (bars.slot, *bars.prices, bars.volume)
        is_same = all(np.array_equal(column[here], column[there]) for column in columns)
        if is_same and is_telling(bars.prices[1][here], bars.prices[2][here]):
            flags[here] |= np.uint16(BarFlag.STALE)


def find_suspects(bars: Columns, runs: Runs, symbols: Sequence[str]) -> tuple[Suspect, ...]:
    """Return whose bars of the first session end with the close that was known from before, and so may be the same."""
    same = _starts_symbol(bars, runs) & (bars.session[runs.first] == 0) & (runs.base == bars.prices[3][runs.last])
    found = []
    for run in np.flatnonzero(same).tolist():
        here = slice(int(runs.first[run]), int(runs.last[run]) + 1)
        if is_telling(bars.prices[1][here], bars.prices[2][here]):
            found.append(Suspect(symbols[bars.code[here.start]], here.start, here.stop - here.start))
    return tuple(found)


def _starts_symbol(bars: Columns, runs: Runs) -> Bools:
    code = bars.code[runs.first]
    return np.append(True, code[1:] != code[:-1])


def is_telling(highs: Floats, lows: Floats) -> bool:
    """Return whether a session's bars are not the same on two days by chance, as a single lot a day may be."""
    return highs.size >= LEAST_REPEATED or bool(highs.max() > lows.min())
