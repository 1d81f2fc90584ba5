"""Metrics of a series of returns, defined as in empyrical; pure.

Returns are simple and one for each period, `[periods]`; `periods` is their number in a year. A metric that cannot be
computed, such as the Sharpe ratio of one return, is NaN.
"""

import math
from statistics import NormalDist

import numpy as np

from kaboom.backtest.engine.arrays import Floats

#: Sessions of the TSE in a year; libraries for the USA take 252.
SESSIONS = 244
_EULER = 0.5772156649015329
_NORMAL = NormalDist()


def returns_of(equity: Floats, start: float) -> Floats:
    """Return the returns of an equity curve, the first one from `start`; 0 once nothing is left."""
    before = np.concatenate([[start], equity[:-1]])
    return np.where(before > 0, equity / np.where(before > 0, before, 1.0) - 1.0, 0.0)


def drawdowns(returns: Floats) -> Floats:
    """Return, for each period, how far the curve is below its highest point so far, as a share: 0 or less."""
    curve = np.cumprod(np.concatenate([[1.0], returns + 1.0]))
    return (curve / np.maximum.accumulate(curve) - 1.0)[1:]


def max_drawdown(returns: Floats) -> float:
    """Return the deepest drawdown, 0 or less."""
    return float(drawdowns(returns).min(initial=0.0)) if returns.size else math.nan


def longest_below_peak(returns: Floats) -> int:
    """Return the most periods in a row in which the curve was below its highest point so far."""
    below = drawdowns(returns) < 0
    runs = np.diff(np.flatnonzero(np.concatenate([[True], ~below, [True]]))) - 1
    return int(runs.max(initial=0))


def cagr(returns: Floats, periods: float = SESSIONS) -> float:
    """Return the compound annual growth rate."""
    if not returns.size:
        return math.nan
    final = float(np.prod(returns + 1.0))
    return float(max(final, 0.0) ** (periods / returns.size)) - 1.0


def volatility(returns: Floats, periods: float = SESSIONS) -> float:
    """Return the annual standard deviation of the sample."""
    return float(np.std(returns, ddof=1)) * math.sqrt(periods) if returns.size > 1 else math.nan


def sharpe(returns: Floats, periods: float = SESSIONS, *, risk_free: float = 0.0) -> float:
    """Return mean over standard deviation, arithmetic and annual; `risk_free` is a return for each period."""
    if returns.size < 2:
        return math.nan
    return _ratio(float(np.mean(returns - risk_free)), float(np.std(returns - risk_free, ddof=1))) * math.sqrt(periods)


def sortino(returns: Floats, periods: float = SESSIONS, *, required: float = 0.0) -> float:
    """Return mean over downside deviation, annual; `required` is a return for each period."""
    if returns.size < 2:
        return math.nan
    excess = returns - required
    downside = math.sqrt(float(np.mean(np.square(np.minimum(excess, 0.0)))) * periods)
    return _ratio(float(np.mean(excess)) * periods, downside)


def calmar(returns: Floats, periods: float = SESSIONS) -> float:
    """Return the compound annual growth rate over the deepest drawdown; NaN if there is none."""
    depth = max_drawdown(returns)
    return cagr(returns, periods) / -depth if depth < 0 else math.nan


def measure(returns: Floats) -> dict[str, float]:
    """Return the metrics by name, per year of `SESSIONS`."""
    return {
        "cagr": cagr(returns),
        "volatility": volatility(returns),
        "sharpe": sharpe(returns),
        "sortino": sortino(returns),
        "calmar": calmar(returns),
        "max_drawdown": max_drawdown(returns),
    }


def skewness(returns: Floats) -> float:
    """Return the skewness of the population; 0 for the normal distribution."""
    return _moment(returns, 3)


def kurtosis(returns: Floats) -> float:
    """Return the kurtosis of the population; 3 for the normal distribution."""
    return _moment(returns, 4)


def expected_best_sharpe(deviation: float, trials: int) -> float:
    """Return the Sharpe ratio that the best of some trials without skill is expected to have.

    `deviation` is the standard deviation of the ratios of the trials; the result has its unit. Source: Bailey and Lopez
    de Prado, The Deflated Sharpe Ratio (2014).
    """
    if trials < 2:
        return 0.0
    first, second = _NORMAL.inv_cdf(1 - 1 / trials), _NORMAL.inv_cdf(1 - 1 / (trials * math.e))
    return deviation * ((1 - _EULER) * first + _EULER * second)


def deflated_sharpe(returns: Floats, trials: int, deviation: float) -> float:
    """Return the probability (0 to 1) that the true Sharpe ratio is above the one that the best trial has by luck.

    `deviation` is the standard deviation of the trials' Sharpe ratios for each period, not annual. Source: Bailey and
    Lopez de Prado, The Deflated Sharpe Ratio (2014).
    """
    ratio = sharpe(returns, 1.0)
    if not math.isfinite(ratio):
        return math.nan
    chance = expected_best_sharpe(deviation, trials)
    return probabilistic_sharpe(ratio - chance, ratio, returns)


def probabilistic_sharpe(excess: float, ratio: float, returns: Floats) -> float:
    """Return the probability that a Sharpe ratio for each period exceeds another by chance no more than `excess`."""
    spread = 1 - skewness(returns) * ratio + (kurtosis(returns) - 1) / 4 * ratio**2
    return _NORMAL.cdf(excess * math.sqrt((returns.size - 1) / spread)) if spread > 0 else math.nan


def _ratio(part: float, whole: float) -> float:
    if whole == 0:
        return math.nan if part == 0 else math.copysign(math.inf, part)
    return part / whole


def _moment(returns: Floats, power: int) -> float:
    if returns.size < 2:
        return math.nan
    away = returns - np.mean(returns)
    deviation = float(np.sqrt(np.mean(away**2)))
    return float(np.mean(away**power)) / deviation**power if deviation > 0 else math.nan
