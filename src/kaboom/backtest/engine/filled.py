"""Filling gaps in columns, only from earlier rows."""

import numpy as np

from kaboom.backtest.engine.arrays import Floats


def carry_forward(values: Floats) -> Floats:
    """Return `[bars, symbols]` with each NaN replaced by the last number above it, if there is one."""
    holes = np.isnan(values)
    if not holes.any():
        return values
    rows = np.where(holes, 0, np.arange(values.shape[0])[:, None])
    np.maximum.accumulate(rows, axis=0, out=rows)
    return np.asarray(values[rows, np.arange(values.shape[1])], dtype=np.float64)
