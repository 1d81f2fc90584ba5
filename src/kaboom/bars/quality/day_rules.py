"""Soft quality rules about daily bars beside those of other days, and volumes that do not fit their bar."""

import numpy as np

from kaboom.bars.quality.hard_rules import Columns
from kaboom.bars.quality.slot_table import Ints
from kaboom.bars.quality.soft_rules import Flags, Runs
from kaboom.market.bar import BarFlag
from kaboom.market.rules import Bools, Floats

#: A close that is this far from the one before, and the next one within `SPIKE_RETURN` of it again, is suspected.
SPIKE_MOVE, SPIKE_RETURN = 0.06, 0.04
#: The days of the symbol around a spike move less than this. Other symbols are not asked: which of them are checked
#: together depends on chunks and retries, and a flag must not.
CALM_MOVE = 0.02
#: As many days on each side are compared, and at least so many in all.
CALM_REACH, CALM_LEAST = 10, 10
#: A volume in another unit is 1,000 times its neighbours'; those of large shares were never more than 9 times.
VOLUME_RATIO, VOLUME_REACH, VOLUME_LEAST = 300, 5, 5


def flag_spikes(flags: Flags, bars: Columns, runs: Runs) -> None:
    """Flag daily bars whose close is far from those of the bars before and after, in a calm time."""
    close, before = bars.prices[3], runs.previous_close
    move = close / before - 1
    follows = bars.code[1:] == bars.code[:-1]
    opening, after = (np.append(np.where(follows, price[1:], np.nan), np.nan) for price in (bars.prices[0], close))
    is_back = (np.abs(opening / before - 1) <= SPIKE_RETURN) & (np.abs(after / before - 1) <= SPIKE_RETURN)
    is_far = (np.abs(move) >= SPIKE_MOVE) & is_back
    far = np.flatnonzero(is_far)
    if not far.size:
        return
    own = np.array([_median(np.abs(move[_beside(bars, row, CALM_REACH, skip=(row, row + 1))])) for row in far.tolist()])
    flags[far[own < CALM_MOVE]] |= np.uint16(BarFlag.SPIKE)


def flag_volumes(flags: Flags, bars: Columns, *, is_daily: bool, is_of_file: bool) -> None:
    """Flag bars that moved without a volume, and daily bars with a volume of another unit than their neighbours'.

    A symbol of a file may have no volume at all, as an index; it is not flagged.
    """
    moved = (bars.volume == 0) & (bars.prices[1] > bars.prices[2])
    if is_of_file and moved.any():
        traded = np.zeros(int(bars.code.max()) + 1, dtype=np.bool_)
        traded[bars.code[bars.volume > 0]] = True
        moved &= traded[bars.code]
    flags[moved] |= np.uint16(BarFlag.NO_VOLUME)
    if is_daily:
        flags[_odd_volumes(bars)] |= np.uint16(BarFlag.VOLUME_JUMP)


def _odd_volumes(bars: Columns) -> Ints:
    volume = bars.volume
    ratio = np.ones(volume.size)
    ratio[1:] = volume[1:] / np.maximum(volume[:-1], 1)
    ratio[:-1] = np.maximum(ratio[:-1], volume[:-1] / np.maximum(volume[1:], 1))
    far = np.flatnonzero(ratio >= VOLUME_RATIO / 10)
    return np.array([row for row in far.tolist() if _is_odd_volume(bars, row)], dtype=np.int64)


def _is_odd_volume(bars: Columns, row: int) -> bool:
    beside = bars.volume[_beside(bars, row, VOLUME_REACH, skip=(row,))]
    traded = beside[beside > 0]
    return traded.size >= VOLUME_LEAST and bool(bars.volume[row] >= VOLUME_RATIO * np.median(traded))


def _beside(bars: Columns, row: int, reach: int, *, skip: tuple[int, ...]) -> Ints:
    """Return the rows of the same symbol around a row."""
    rows = np.arange(max(0, row - reach), min(bars.code.size, row + reach + 1))
    is_other: Bools = (bars.code[rows] == bars.code[row]) & ~np.isin(rows, skip)
    return rows[is_other]


def _median(moves: Floats) -> float:
    known = moves[~np.isnan(moves)]
    return float(np.median(known)) if known.size >= CALM_LEAST else np.nan
