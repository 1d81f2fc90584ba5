"""Prices as they were traded, from Yahoo's prices, which are divided by every later split; pure.

Yahoo divides all prices before a split by its ratio, and multiplies the volumes, as soon as it knows the split. Now and
then it divides only the newest of these days (4063.T in March 2023: one day was divided, the days before were not). So
if the prices fall by the split's ratio before its ex-session, the division begins there.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from kaboom.market.action import CorporateAction, check_dividend
from kaboom.market.interval import Interval
from kaboom.providers.rows import SymbolRows, count_days

_EPOCH = date(1970, 1, 1)
#: A smaller split looks like an ordinary fall at the open, so all prices before it are assumed to be divided.
_LEAST_RATIO = 1.5
#: How near a fall must be to the split's ratio, as a logarithm.
_NEAR = 0.1
#: Prices in Tokyo are multiples of 0.1; the relative error of a division is less than this.
_ROUNDING = 1e-6
#: Digits of a dividend's yen that are kept: Yahoo gives a fifth of 1 yen as 0.2, and a third as 0.333333.
_YEN_DIGITS = 4

type Floats = NDArray[np.float64]
type Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DayPrices:
    """Open and close of each day in a chart, as Yahoo gives them; `day` rises, in days since 1970."""

    day: Ints
    opened: Floats
    closed: Floats


def day_prices(parts: Sequence[SymbolRows], interval: Interval) -> DayPrices:
    """Return the days of charts of one symbol, at least one row in all."""
    at_us = np.concatenate([part.opened_at_us for part in parts])
    values = np.concatenate([part.values for part in parts], axis=1)
    order = np.argsort(at_us, kind="stable")
    day, first, counts = np.unique(count_days(at_us[order], interval), return_index=True, return_counts=True)
    return DayPrices(day, values[0][order][first], values[3][order][first + counts - 1])


def find_divisors(days: DayPrices, splits: Sequence[CorporateAction]) -> Floats:
    """Return, shape (days,), the factor by which Yahoo multiplied the prices of each day; 1 for prices as traded."""
    divisors = np.ones(days.day.size)
    exes = {split.ex_session: (split.ex_session - _EPOCH).days for split in splits}
    for split in splits:
        ex = exes[split.ex_session]
        begin = _find_begin(days, ex, split.factor, others=[day for day in exes.values() if day != ex])
        divisors[begin : int(np.searchsorted(days.day, ex))] *= split.factor
    return divisors


def undivide(rows: SymbolRows, interval: Interval, days: DayPrices, divisors: Floats) -> SymbolRows:
    """Return rows with prices and volumes as traded, by the divisors of the days.

    Minutes are divided like their day, unless their closes show that they are not.
    """
    if not rows.count or (divisors == 1).all():
        return rows
    place = np.searchsorted(days.day, count_days(rows.opened_at_us, interval), side="right") - 1
    factor = _of_this_scale(rows, interval, days, divisors)[np.maximum(place, 0)]
    prices = rows.values[:4] / factor
    nearest = np.round(prices, 1)
    prices = np.where(np.abs(prices - nearest) <= _ROUNDING * prices, nearest, prices)
    volume = np.where(factor == 1, rows.values[4], np.rint(rows.values[4] * factor))
    return SymbolRows(rows.symbol, rows.opened_at_us, np.vstack([prices, volume]))


def undivide_dividend(
    symbol: str, ex_session: date, amount: float, splits: Sequence[CorporateAction]
) -> CorporateAction:
    """Return a dividend as it was paid for each share of the day before; `splits` are those of the symbol.

    Yahoo divides a dividend by all splits from its own ex-session on.

    Raises:
        InvalidRequest: the amount is not a number, or is out of bounds.

    """
    factor = math.prod(split.factor for split in splits if split.ex_session >= ex_session)
    return CorporateAction(symbol, ex_session, amount=check_dividend(round(amount / factor, _YEN_DIGITS)))


def _find_begin(days: DayPrices, ex: int, factor: float, *, others: Sequence[int]) -> int:
    """Return the index of the first day whose prices are divided by the split; the ex-session if there is none."""
    jump = np.log(factor)
    if abs(jump) < np.log(_LEAST_RATIO) or days.day.size < 2:
        return 0
    falls, day = _log_ratio(days.opened[1:], days.closed[:-1]), days.day[1:]
    here = np.flatnonzero(day >= ex)
    if here.size and days.day[0] < ex and falls[here[0]] / jump > 0.5:
        return int(here[0]) + 1
    inside = np.flatnonzero((day < ex) & (np.abs(falls - jump) < _NEAR) & ~np.isin(day, others))
    return int(inside[-1]) + 1 if inside.size else 0


def _of_this_scale(rows: SymbolRows, interval: Interval, days: DayPrices, divisors: Floats) -> Floats:
    """Return the divisors, with 1 for days whose close in `rows` is the close as traded."""
    own = day_prices([rows], interval)
    kept = divisors.copy()
    both, mine, theirs = np.intersect1d(own.day, days.day, return_indices=True)
    if both.size:
        ratio = _log_ratio(own.closed[mine], days.closed[theirs])
        given, traded = np.abs(ratio), np.abs(ratio + np.log(divisors[theirs]))
        kept[theirs[traded < given]] = 1.0
    return kept


def _log_ratio(one: Floats, other: Floats) -> Floats:
    # The quality checks handle a price that is 0 or missing.
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Floats = np.log(one / other)
    return ratio
