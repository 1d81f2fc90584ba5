"""Formulas of performance: returns without the effect of deposits, and measures against a benchmark; pure.

Returns are simple shares, one for each period and equally long in both lists; `periods` is their number in a year. A
measure that cannot be computed, such as the beta to a benchmark that never moves, is NaN. The measures against a
benchmark are defined as in empyrical.
"""

import math
from collections.abc import Callable, Sequence
from datetime import date
from itertools import accumulate, pairwise
from statistics import fmean, stdev, variance

#: Sessions of the TSE in a year; libraries for the USA take 252.
SESSIONS = 244
#: Days of a year of `money_weighted`, as in the function XIRR of spreadsheets.
_YEAR_DAYS = 365
#: The bounds of the logarithm of a growth in a year, and how often the interval is halved: to the last digit.
_WIDEST, _HALVINGS = 20.0, 200


def time_weighted(before: float, flow: float, after: float) -> float:
    """Return the return of one period, without the effect of a flow: money paid in (positive) or out (negative).

    `before` and `after` are the values at its two ends. A deposit counts from the beginning of the period, since it can
    be invested on its day; a withdrawal counts at the end. Source: GIPS, time-weighted return by daily valuation.
    """
    invested = before + max(flow, 0.0)
    return (after + max(-flow, 0.0)) / invested - 1.0 if invested > 0 else 0.0


def money_weighted(flows: Sequence[tuple[date, float]]) -> float:
    """Return the return in a year at which flows are worth 0 together: XIRR, with days of 1/365 of a year.

    A flow is negative where money is paid in, positive where it comes back; the last one is the final value. NaN if
    the flows have one sign, or are all on one day. Of several solutions it is the one nearest to 0.
    """
    if not flows:
        return math.nan
    start = min(day for day, _ in flows)
    years = [((day - start).days / _YEAR_DAYS, amount) for day, amount in flows]
    if len({at for at, _ in years}) < 2:
        return math.nan

    def worth(rate: float) -> float:
        return sum(amount * math.exp(-rate * at) for at, amount in years)

    steps = [n * 0.05 for n in range(int(_WIDEST / 0.05) + 1)]
    for near, far in pairwise(steps):
        for low, high in ((near, far), (-far, -near)):
            if worth(low) == 0 or worth(low) * worth(high) < 0:
                return math.expm1(_halve(worth, low, high))
    return math.nan


def _halve(worth: Callable[[float], float], low: float, high: float) -> float:
    is_rising = worth(low) < 0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if (worth(middle) < 0) is is_rising:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def growth(returns: Sequence[float]) -> list[float]:
    """Return what 1 has become after each period."""
    return list(accumulate((1.0 + each for each in returns), lambda total, each: total * each))


def drawdowns(returns: Sequence[float]) -> list[float]:
    """Return how far the growth is below its highest value so far, as a share: 0 or less."""
    curve = growth(returns)
    return [now / max(1.0, peak) - 1.0 for now, peak in zip(curve, accumulate(curve, max), strict=True)]


def annual(returns: Sequence[float], periods: float = SESSIONS) -> float:
    """Return the compound growth in a year."""
    return (
        max(math.prod(1.0 + each for each in returns), 0.0) ** (periods / len(returns)) - 1.0 if returns else math.nan
    )


def beta(returns: Sequence[float], other: Sequence[float]) -> float:
    """Return by how much returns move with those of a benchmark: covariance over variance."""
    if len(other) < 2 or not (spread := variance(other)):
        return math.nan
    mean, middle = fmean(returns), fmean(other)
    shared = sum((ours - mean) * (theirs - middle) for ours, theirs in zip(returns, other, strict=True))
    return shared / (len(other) - 1) / spread


def alpha(returns: Sequence[float], other: Sequence[float], periods: float = SESSIONS) -> float:
    """Return the return in a year that beta does not explain, compounded; the risk-free rate is 0 (Jensen 1968)."""
    slope = beta(returns, other)
    rest = [ours - slope * theirs for ours, theirs in zip(returns, other, strict=True)]
    return (1.0 + fmean(rest)) ** periods - 1.0 if rest and math.isfinite(slope) else math.nan


def tracking_error(returns: Sequence[float], other: Sequence[float], periods: float = SESSIONS) -> float:
    """Return the standard deviation of the sample of the differences of returns, in a year."""
    active = [ours - theirs for ours, theirs in zip(returns, other, strict=True)]
    return stdev(active) * math.sqrt(periods) if len(active) > 1 else math.nan


def information_ratio(returns: Sequence[float], other: Sequence[float], periods: float = SESSIONS) -> float:
    """Return the mean difference of returns over its standard deviation, in a year; NaN if they never differ."""
    deviation = tracking_error(returns, other, periods)
    active = [ours - theirs for ours, theirs in zip(returns, other, strict=True)]
    return fmean(active) * periods / deviation if deviation > 0 else math.nan


def capture(
    returns: Sequence[float], other: Sequence[float], periods: float = SESSIONS, *, is_up: bool = True
) -> float:
    """Return the growth in a year over that of the benchmark, in the periods in which the benchmark rose, or fell."""
    chosen = [
        (ours, theirs) for ours, theirs in zip(returns, other, strict=True) if (theirs > 0 if is_up else theirs < 0)
    ]
    if not chosen:
        return math.nan
    whole = annual([theirs for _, theirs in chosen], periods)
    return annual([ours for ours, _ in chosen], periods) / whole if whole else math.nan


def compare(returns: Sequence[float], other: Sequence[float], periods: float = SESSIONS) -> dict[str, float]:
    """Return the measures against a benchmark by name."""
    return {
        "alpha": alpha(returns, other, periods),
        "beta": beta(returns, other),
        "tracking_error": tracking_error(returns, other, periods),
        "information_ratio": information_ratio(returns, other, periods),
        "up_capture": capture(returns, other, periods),
        "down_capture": capture(returns, other, periods, is_up=False),
    }
