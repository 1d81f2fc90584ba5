"""The measures of a factor, defined as in alphalens: returns by quantile, information coefficient, turnover; pure.

Matrices are `[sessions, symbols]`, and NaN is unknown. A measure that cannot be computed is NaN.
"""

import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import repeat

import numpy as np
from numpy.typing import NDArray

from kaboom.backtest.engine.arrays import Floats

type _Bools = NDArray[np.bool_]
type _Places = NDArray[np.int64]

#: Sessions that are ranked together: their matrices fit in a processor's cache.
_BLOCK = 64


@dataclass(frozen=True, slots=True)
class HorizonMeasures:
    """The measures of a factor for the returns over some sessions.

    Attributes:
        horizon: the sessions.
        ic: by session, Spearman's rank correlation of the factor and the returns that follow.
        ic_mean, ic_deviation: of `ic`; the deviation is of the sample.
        ic_t: the mean over its standard error, as if sessions were independent.
        ic_t_overlap: the same, with the error of Newey and West (1987), since returns of near sessions overlap.
        returns: by quantile, the mean of the sessions' mean returns, less the mean of all symbols of a session.
        errors: by quantile, the standard error of `returns`.
        turnover: by quantile, the mean share of symbols that were not in it so many sessions before.
        autocorrelation: the mean correlation of the ranks of a session with those of so many sessions before.

    """

    horizon: int
    ic: Floats
    ic_mean: float
    ic_deviation: float
    ic_t: float
    ic_t_overlap: float
    returns: Floats
    errors: Floats
    turnover: Floats
    autocorrelation: float

    @property
    def spread(self) -> float:
        """The return of the highest quantile less that of the lowest; alphalens-reloaded 0.5 halves it."""
        return float(self.returns[-1] - self.returns[0])


@dataclass(frozen=True, slots=True)
class FactorMeasures:
    """The measures of a factor by horizon.

    Attributes:
        sessions: those that were measured.
        tied: sessions that were left out, since so many symbols have one value that quantiles have no bounds.
        values: pairs of a symbol and a session that were measured: the factor and all returns are known.
        sizes: by quantile, the mean number of symbols.

    """

    sessions: int
    tied: int
    values: int
    sizes: Floats
    horizons: tuple[HorizonMeasures, ...]


def measure_factor(factor: Floats, closes: Floats, *, horizons: Sequence[int], quantiles: int) -> FactorMeasures:
    """Return the measures of a factor by the returns from the close of a session to that of a later one.

    `closes` are adjusted, and carried forward where a symbol has no bar. A value counts if its returns over all
    horizons are known. Quantiles are numbered from the lowest value.
    """
    later = [_returns_after(closes, horizon) for horizon in horizons]
    known = np.isfinite(factor)
    for returns in later:
        known &= np.isfinite(returns)
    places, tied = _find_quantiles(factor, known, quantiles)
    known &= places > 0
    ranks = _rank(factor, known)
    counts = _sum(places, quantiles)
    measured = counts.sum(axis=1) > 0
    # numpy works without the lock of Python for most of the time.
    with ThreadPoolExecutor() as pool:
        by_horizon = tuple(pool.map(_measure, horizons, later, repeat((ranks, places, counts))))
    return FactorMeasures(
        sessions=int(measured.sum()),
        tied=tied,
        values=int(known.sum()),
        sizes=counts[measured].mean(axis=0) if measured.any() else np.full(quantiles, math.nan),
        horizons=by_horizon,
    )


def _measure(horizon: int, returns: Floats, of_factor: tuple[Floats, _Places, Floats]) -> HorizonMeasures:
    ranks, places, counts = of_factor
    known = places > 0
    ic = _correlate(ranks, _rank(returns, known))
    by_session = _mean_returns(returns, places, counts)
    found = ic[~np.isnan(ic)]
    mean = float(found.mean()) if found.size else math.nan
    deviation = float(found.std(ddof=1)) if found.size > 1 else math.nan
    return HorizonMeasures(
        horizon=horizon,
        ic=ic,
        ic_mean=mean,
        ic_deviation=deviation,
        ic_t=mean / deviation * math.sqrt(found.size) if deviation > 0 else math.nan,
        ic_t_overlap=_overlap_t(found, horizon - 1),
        returns=_mean(by_session),
        errors=_errors(by_session),
        turnover=_mean(_turnover(places, counts, horizon)),
        autocorrelation=float(_mean(_correlate(ranks[horizon:], ranks[:-horizon])[:, None])[0]),
    )


def _returns_after(closes: Floats, horizon: int) -> Floats:
    found = np.full(closes.shape, np.nan)
    found[:-horizon] = closes[horizon:] / closes[:-horizon] - 1
    return found


def _find_quantiles(factor: Floats, known: _Bools, count: int) -> tuple[_Places, int]:
    """Return the quantile of each value, 1 to `count` or 0 for none, and in how many sessions bounds are equal.

    The bounds are linear between values, and a value on a bound is in the lower quantile, as `pandas.qcut` has it.
    """
    places = np.zeros(factor.shape, dtype=np.int64)
    shares = np.linspace(0, 1, count + 1)
    # As pandas does: whether a value is on a bound depends on the last digit.
    shares = np.where(shares * count == np.arange(count + 1), shares, np.nextafter(shares, 1))
    tied = 0
    for first in range(0, len(factor), _BLOCK):
        block = slice(first, first + _BLOCK)
        values = np.where(known[block], factor[block], np.inf)
        bounds = _bounds(np.sort(values, axis=1), known[block].sum(axis=1), shares)
        is_bound = np.all(bounds[:, 1:] > bounds[:, :-1], axis=1)
        found = np.ones(values.shape, dtype=np.int64)
        for bound in bounds[:, 1:-1].T:
            found += values > bound[:, None]
        places[block] = np.where(known[block] & is_bound[:, None], found, 0)
        tied += int(np.sum(known[block].any(axis=1) & ~is_bound))
    return places, tied


def _bounds(ordered: Floats, sizes: _Places, shares: Floats) -> Floats:
    """Return the values at some shares of each row, linear between its first `sizes` values; NaN of an empty row."""
    at = np.maximum(sizes - 1, 0)[:, None] * shares
    below = np.floor(at).astype(np.int64)
    above = np.minimum(below + 1, np.maximum(sizes - 1, 0)[:, None])
    low, high = (np.take_along_axis(ordered, place, axis=1) for place in (below, above))
    low, high = (np.where(sizes[:, None] > 0, each, np.nan) for each in (low, high))
    part = at - below
    # From the nearer end, as numpy's quantile computes it.
    return np.where(part >= 0.5, high - (high - low) * (1 - part), low + (high - low) * part)


def _rank(values: Floats, known: _Bools) -> Floats:
    """Return the rank of each known value in its row, from 1; equal values have their mean rank."""
    ranks = np.full(values.shape, np.nan)
    for first in range(0, len(values), _BLOCK):
        block = slice(first, first + _BLOCK)
        filled = np.where(known[block], values[block], np.inf)
        order = np.argsort(filled, axis=1)
        found = np.empty(filled.shape)
        np.put_along_axis(found, order, _rank_ordered(np.take_along_axis(filled, order, axis=1)), axis=1)
        ranks[block] = np.where(known[block], found, np.nan)
    return ranks


def _rank_ordered(ordered: Floats) -> Floats:
    places = np.arange(ordered.shape[1])
    is_first = np.ones(ordered.shape, dtype=np.bool_)
    is_first[:, 1:] = (ordered[:, 1:] != ordered[:, :-1]) | np.isinf(ordered[:, 1:])
    if is_first.all():
        return np.broadcast_to(places + 1.0, ordered.shape)
    is_last = np.ones(ordered.shape, dtype=np.bool_)
    is_last[:, :-1] = is_first[:, 1:]
    first = np.maximum.accumulate(np.where(is_first, places, 0), axis=1)
    last = np.minimum.accumulate(np.where(is_last, places, ordered.shape[1])[:, ::-1], axis=1)[:, ::-1]
    return (first + last) / 2 + 1


def _correlate(one: Floats, other: Floats) -> Floats:
    """Return the correlation of each row with that of another matrix, over the columns that both know."""
    found = np.full(len(one), np.nan)
    for first in range(0, len(one), _BLOCK):
        block = slice(first, first + _BLOCK)
        pair = one[block] + other[block]
        known = ~np.isnan(pair)
        size = np.maximum(known.sum(axis=1), 1)
        away = []
        for values in (one[block], other[block]):
            mean = values.sum(axis=1, where=known) / size
            away.append(np.where(known, values - mean[:, None], 0.0))
        shared, ours, theirs = (np.einsum("ij,ij->i", a, b) for a, b in (away, (away[0],) * 2, (away[1],) * 2))
        spread = np.sqrt(ours * theirs)
        np.divide(shared, spread, out=found[block], where=spread > 0)
    return found


def _mean_returns(returns: Floats, places: _Places, counts: Floats) -> Floats:
    """Return the mean returns by session and quantile, less the mean of all symbols of the session."""
    sums = _sum(places, counts.shape[1], returns)
    with np.errstate(invalid="ignore"):
        found: Floats = sums / counts - (sums.sum(axis=1) / counts.sum(axis=1))[:, None]
    return found


def _turnover(places: _Places, counts: Floats, horizon: int) -> Floats:
    now, before = places[horizon:], places[:-horizon]
    kept = _sum(np.where(now == before, now, 0), counts.shape[1])
    is_known = (counts[horizon:] > 0) & (counts[:-horizon] > 0)
    found: Floats = np.divide(
        counts[horizon:] - kept, counts[horizon:], out=np.full(kept.shape, np.nan), where=is_known
    )
    return found


def _sum(places: _Places, quantiles: int, weights: Floats | None = None) -> Floats:
    """Return the sums of weights, or the numbers of symbols, by session and quantile; place 0 is none."""
    width = quantiles + 1
    cells = (np.arange(len(places))[:, None] * width + places).ravel()
    found = np.bincount(cells, None if weights is None else weights.ravel(), minlength=len(places) * width)
    return found.reshape(len(places), width)[:, 1:].astype(np.float64)


def _mean(columns: Floats) -> Floats:
    sizes = (~np.isnan(columns)).sum(axis=0)
    found: Floats = np.divide(np.nansum(columns, axis=0), sizes, out=np.full(sizes.shape, np.nan), where=sizes > 0)
    return found


def _errors(columns: Floats) -> Floats:
    sizes = (~np.isnan(columns)).sum(axis=0)
    squares = np.nansum((columns - _mean(columns)) ** 2, axis=0)
    wide = np.divide(squares, sizes - 1, out=np.full(sizes.shape, np.nan), where=sizes > 1)
    found: Floats = np.sqrt(wide / np.maximum(sizes, 1))
    return found


def _overlap_t(values: Floats, lags: int) -> float:
    size = values.size
    if size <= max(lags, 1):
        return math.nan
    away = values - values.mean()
    spread = float(away @ away)
    for lag in range(1, lags + 1):
        spread += 2 * (1 - lag / (lags + 1)) * float(away[lag:] @ away[:-lag])
    return float(values.mean()) / math.sqrt(spread) * size if spread > 0 else math.nan
