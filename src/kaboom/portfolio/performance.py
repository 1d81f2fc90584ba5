"""The performance of a portfolio: time-weighted and money-weighted return, drawdown, benchmark and contributions."""

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal

from kaboom.market import performance
from kaboom.portfolio.history import EquityDay
from kaboom.portfolio.money import ZERO

#: A return in a year says nothing about a shorter time.
_LEAST_DAYS = 30


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The closes of what a portfolio is compared with, adjusted for splits, by day; dividends are not in it."""

    symbol: str
    closes: Mapping[date, Decimal]


@dataclass(frozen=True, slots=True)
class PerformanceDay:
    """A day of a performance.

    Attributes:
        growth: what 1 has become since the first day, without the effect of deposits and withdrawals.
        drawdown: how far that is below its highest value so far: 0 or less.
        benchmark: what 1 in the benchmark has become; None without one, and before its first close.

    """

    day: date
    growth: float
    drawdown: float
    benchmark: float | None


@dataclass(frozen=True, slots=True)
class Contribution:
    """What a symbol has earned, in yen, and its part of the time-weighted return; "" is cash: interest, fees, taxes."""

    symbol: str
    gain: Decimal
    share: float


@dataclass(frozen=True, slots=True)
class Performance:
    """The performance of a portfolio between the closes of two days; shares are not in percent, NaN is unknown.

    Attributes:
        days: the days on which its value is known; the first one is the base, and has growth 1.
        time_weighted: the return of the whole time, as if no money had been paid in or out.
        money_weighted: the return in a year of the money that was paid in: XIRR; NaN for less than 30 days.
        last_day: the return of the last day.
        benchmark_return: the return of the benchmark between the same days.
        against: the measures against the benchmark by name, of the days that both have.
        contributions: by symbol, the largest first; they add up to `time_weighted`.

    """

    days: tuple[PerformanceDay, ...] = ()
    time_weighted: float = math.nan
    money_weighted: float = math.nan
    max_drawdown: float = math.nan
    last_day: float = math.nan
    benchmark: str = ""
    benchmark_return: float = math.nan
    against: Mapping[str, float] = field(default_factory=dict)
    contributions: tuple[Contribution, ...] = ()


def measure(history: Sequence[EquityDay], *, is_whole: bool, benchmark: Benchmark | None = None) -> Performance:
    """Return the performance of a history, oldest day first.

    `is_whole` says that the history begins with the first entry of the portfolio: then its first day counts from
    nothing, else it is the base. Days on which the value is unknown are left out, and their flows count on the
    next one.
    """
    known = [day for day in history if day.equity is not None]
    if not known or (len(known) < 2 and not is_whole):
        return Performance()
    nothing = EquityDay(known[0].day, ZERO, ZERO, ZERO, ZERO, 0)
    before = [nothing, *known] if is_whole else known
    returns = [_return(then, now) for then, now in itertools.pairwise(before)]
    curve = performance.growth(returns)
    days = [now.day for now in before[1:]]
    other = _follow(benchmark, [before[0].day, *days], is_whole=is_whole) if benchmark else [None] * (len(days) + 1)
    falls = performance.drawdowns(returns)
    shown = [PerformanceDay(before[0].day, 1.0, 0.0, other[0])] if not is_whole else []
    shown += [PerformanceDay(*each) for each in zip(days, curve, falls, other[1:], strict=True)]
    theirs, ours = _both(returns, other)
    return Performance(
        days=tuple(shown),
        time_weighted=curve[-1] - 1.0,
        money_weighted=_money_weighted(before),
        max_drawdown=min(falls),
        last_day=returns[-1],
        benchmark=benchmark.symbol if benchmark and theirs else "",
        benchmark_return=math.prod(1.0 + each for each in theirs) - 1.0 if theirs else math.nan,
        against=performance.compare(ours, theirs) if theirs else {},
        contributions=tuple(_contribute(before, returns)),
    )


def _flow(then: EquityDay, now: EquityDay) -> float:
    return float(now.net_deposits - then.net_deposits)


def _return(then: EquityDay, now: EquityDay) -> float:
    return performance.time_weighted(float(then.equity or 0), _flow(then, now), float(now.equity or 0))


def _money_weighted(days: Sequence[EquityDay]) -> float:
    if (days[-1].day - days[0].day).days < _LEAST_DAYS:
        return math.nan
    flows = [(days[0].day, -float(days[0].equity or 0))]
    flows += [(now.day, -_flow(then, now)) for then, now in itertools.pairwise(days)]
    flows.append((days[-1].day, float(days[-1].equity or 0)))
    return performance.money_weighted([(day, amount) for day, amount in flows if amount])


def _follow(benchmark: Benchmark, days: Sequence[date], *, is_whole: bool) -> list[float | None]:
    """Return what 1 in a benchmark has become at each of some days: its last close counts; None before its first one.

    A whole history begins before its first day: at the last close before that day.
    """
    closes = sorted(benchmark.closes.items())
    found, place, last, base = list[float | None](), 0, None, None
    for n, day in enumerate(days):
        while place < len(closes) and (
            closes[place][0] < day or (closes[place][0] == day and not (is_whole and n == 0))
        ):
            last = closes[place][1]
            place += 1
        base = base or last
        found.append(float(last / base) if last and base else None)
    return found


def _both(returns: Sequence[float], other: Sequence[float | None]) -> tuple[list[float], list[float]]:
    """Return the returns of the benchmark and ours, of the days that have both."""
    pairs = [
        (now / then - 1.0, ours)
        for ours, then, now in zip(returns, other, other[1:], strict=False)
        if then is not None and now is not None
    ]
    return [theirs for theirs, _ in pairs], [ours for _, ours in pairs]


def _contribute(days: Sequence[EquityDay], returns: Sequence[float]) -> list[Contribution]:
    """Return the contributions by symbol; the last one is cash, if it has earned or cost anything.

    The gain of a day is a share of the value with which the day began, as its return is, and counts by the growth until
    then. So the contributions of all days add up to the time-weighted return.
    """
    shares, growth = dict[str, float](), 1.0
    for then, now, whole in zip(days, days[1:], returns, strict=False):
        invested = float(then.equity or 0) + max(_flow(then, now), 0.0)
        rest = whole
        for symbol, gain in now.gains.items():
            part = float(gain - then.gains.get(symbol, ZERO)) / invested if invested > 0 else 0.0
            shares[symbol] = shares.get(symbol, 0.0) + growth * part
            rest -= part
        shares[""] = shares.get("", 0.0) + growth * rest
        growth *= 1.0 + whole
    first, last = days[0], days[-1]
    cash = shares.pop("", 0.0)
    found = [
        Contribution(each, last.gains[each] - first.gains.get(each, ZERO), share) for each, share in shares.items()
    ]
    found.sort(key=lambda each: (-each.share, each.symbol))
    earned = (last.equity or ZERO) - (first.equity or ZERO) - (last.net_deposits - first.net_deposits)
    unassigned = earned - sum((each.gain for each in found), ZERO)
    return [*found, Contribution("", unassigned, cash)] if unassigned or abs(cash) > 1e-9 else found
