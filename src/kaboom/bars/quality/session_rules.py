"""Soft quality rules about a whole session of a symbol: missing minutes, and sessions that repeat the day before."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaboom.bars.quality.hard_rules import Columns
from kaboom.bars.quality.slot_table import Ints, SlotTable
from kaboom.bars.quality.soft_rules import Flags, Runs
from kaboom.market.bar import BarFlag
from kaboom.market.rules import Bools, Floats

#: Successive minutes without a trade that may be a hole.
LEAST_HOLE = 4
#: Fewer bars do not show how often a symbol trades.
LEAST_TRADED = 20
#: A hole is flagged if its chance, by the share of the session's minutes that traded, is below this.
MOST_CHANCE = 1e-4
#: This many bars are not equal on two days by chance.
LEAST_REPEATED = 5


@dataclass(frozen=True, slots=True)
class RepeatSuspect:
    """A symbol whose first session may repeat the one before: the position and the number of its bars."""

    symbol: str
    start: int
    bars: int


def flag_gaps(flags: Flags, bars: Columns, runs: Runs, table: SlotTable) -> None:
    """Flag the 1m bar after a hole, and the last bar of a session whose end is missing.

    A thinly traded issue has many empty minutes, so a hole is flagged only if evenly spread trades would leave it less
    than once in 10,000 sessions. A trading halt looks the same.
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
    """Flag every bar of a session that repeats all bars of the session before."""
    before = np.append(0, runs.lengths[:-1])
    same = (runs.lengths == before) & (runs.base == bars.prices[3][runs.last])
    # The bars before a symbol's first run belong to another symbol.
    same &= ~_starts_symbol(bars, runs)
    for run in np.flatnonzero(same):
        here = slice(runs.first[run], runs.last[run] + 1)
        there = slice(here.start - before[run], here.start)
        columns = (bars.slot, *bars.prices, bars.volume)
        is_same = all(np.array_equal(column[here], column[there]) for column in columns)
        if is_same and is_significant(bars.prices[1][here], bars.prices[2][here]):
            flags[here] |= np.uint16(BarFlag.STALE)


def find_suspects(bars: Columns, runs: Runs, symbols: Sequence[str]) -> tuple[RepeatSuspect, ...]:
    """Return the symbols whose first session ends with the previous close, and so may repeat the session before."""
    same = _starts_symbol(bars, runs) & (bars.session[runs.first] == 0) & (runs.base == bars.prices[3][runs.last])
    found = []
    for run in np.flatnonzero(same).tolist():
        here = slice(int(runs.first[run]), int(runs.last[run]) + 1)
        if is_significant(bars.prices[1][here], bars.prices[2][here]):
            found.append(RepeatSuspect(symbols[bars.code[here.start]], here.start, here.stop - here.start))
    return tuple(found)


def _starts_symbol(bars: Columns, runs: Runs) -> Bools:
    code = bars.code[runs.first]
    return np.append(True, code[1:] != code[:-1])


def is_significant(highs: Floats, lows: Floats) -> bool:
    """Return whether a session has too many different prices to be equal on two days by chance."""
    return highs.size >= LEAST_REPEATED or bool(highs.max() > lows.min())
