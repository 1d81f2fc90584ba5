"""Metrics of the last sessions, session by session; pure."""

from dataclasses import dataclass

import numpy as np

from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.metrics import SESSIONS

_MOST_SESSIONS = 122


@dataclass(frozen=True, slots=True)
class Rolling:
    """The Sharpe ratio and the volatility of the last `sessions`, a year; NaN before there are so many."""

    sessions: int
    sharpe: Floats
    volatility: Floats


def rolling_of(returns: Floats) -> Rolling:
    """Return the metrics of the last half year, of less than two years a quarter of it."""
    sessions = min(_MOST_SESSIONS, max(returns.size // 4, 2))
    none = np.full(returns.size, np.nan)
    if returns.size <= sessions:
        return Rolling(sessions, none, none)
    seen = np.lib.stride_tricks.sliding_window_view(returns, sessions)
    mean, deviation = seen.mean(axis=1), seen.std(axis=1, ddof=1)
    # A constant curve has no ratio, even if rounding gives it a small deviation.
    ratio = np.divide(mean, deviation, out=np.full(mean.size, np.nan), where=deviation > 1e-12) * np.sqrt(SESSIONS)
    before = none[: sessions - 1]
    return Rolling(sessions, np.append(before, ratio), np.append(before, deviation * np.sqrt(SESSIONS)))
