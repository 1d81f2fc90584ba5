"""Filling gaps in columns, only from earlier rows."""

import numpy as np

from batch.backtest.engine.arrays import Floats, Ints


def carry_forward(values: Floats) -> Floats:
    """Return `[bars, symbols]` with each NaN replaced by the last number above it, if there is one."""
    holes = np.isnan(values)
    if not holes.any():
        return values
    rows = np.where(holes, 0, np.arange(values.shape[0])[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.asarray(values[rows, np.arange(values.shape[1])], dtype=np.float64)


def last_of_session_before(days: Ints) -> Ints:
    """Return, for each bar, the number of the last bar of the session before; -1 in the first session."""
    return np.searchsorted(days, days, side="left") - 1
