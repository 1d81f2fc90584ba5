"""The columns from which strategies compute target weights."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from batch.backtest.engine import changes
from batch.backtest.engine.arrays import Floats, Ints
from batch.backtest.panel import Panel
from batch.backtest.run import has_numba
from batch.indicators.formulas import FORMULAS

type Bools = NDArray[np.bool_]
_NAMES = ("high", "low", "close", "volume", "session")

#: The cached indicators of a panel are dropped when they take about this much.
_MEMO_BYTES = 256 * 1024 * 1024


def indicator(panel: Panel, name: str, *values: float) -> list[Floats]:
    """Return the outputs of an indicator of `batch.indicators`, each `[bars, symbols]`.

    It is computed over the bars that a symbol has, adjusted by the splits so far; NaN if there is no bar or no value.
    The results are cached by the panel and read-only, since other strategies use them, too.
    """
    key = (name, *values)
    if key not in panel.memo:
        if len(panel.memo) * panel.scale.nbytes > _MEMO_BYTES:
            panel.memo.clear()
        columns = [panel.adjusted(field) for field in ("high", "low", "close", "volume")]
        parts = [_of_symbol([one[:, s] for one in columns], panel.days, name, values) for s in range(panel.shape[1])]
        panel.memo[key] = [np.column_stack(outputs) for outputs in zip(*parts, strict=True)]
        for output in panel.memo[key]:
            output.flags.writeable = False
    return panel.memo[key]


def _of_symbol(columns: Sequence[Floats], days: Ints, name: str, values: tuple[float, ...]) -> Sequence[Floats]:
    has_bar = ~np.isnan(columns[2])
    is_full = bool(has_bar.all())
    # TA-Lib accepts only contiguous columns, and those of a panel are strided.
    bars = [np.ascontiguousarray(one if is_full else one[has_bar]) for one in (*columns, days.astype(np.float64))]
    found = FORMULAS[name](dict(zip(_NAMES, bars, strict=True)), values)
    if is_full:
        return found
    whole = [np.full(days.size, np.nan) for _ in found]
    for output, part in zip(whole, found, strict=True):
        output[has_bar] = part
    return whole


def highest_before(values: Floats, bars: int) -> Floats:
    """Return the highest of the last rows before each row, `[bars, symbols]`; NaN until there are enough."""
    return _before(values, lambda one: one.rolling_max(bars))


def lowest_before(values: Floats, bars: int) -> Floats:
    """Return the lowest of the last rows before each row, `[bars, symbols]`; NaN until there are enough."""
    return _before(values, lambda one: one.rolling_min(bars))


def crosses_above(one: Floats, other: Floats) -> Bools:
    """Return the rows in which a line is above another and was not in the row before, with both lines known."""
    crossed = np.zeros(one.shape, dtype=np.bool_)
    # Comparisons with NaN are false.
    np.logical_and((one > other)[1:], (one <= other)[:-1], out=crossed[1:])
    return crossed


def weights_on_change(enter: Bools, leave: Bools, weight: float, short: Bools | None = None) -> Floats:
    """Return target weights at the bars where a position begins or ends, NaN elsewhere.

    `enter` begins a long position and ends a short one, `short` the reverse, and `leave` ends both; where two are
    true, the later of leave, short, enter counts.
    """
    weights = np.full(enter.shape, np.nan)
    signals = (enter, np.zeros(enter.shape, dtype=np.bool_) if short is None else short, leave)
    _weigh()(*(np.ravel(signal) for signal in signals), weight, np.zeros(enter.shape[1]), weights.reshape(-1))
    return weights


def _weigh() -> Callable[..., None]:
    if not has_numba():
        return changes.weigh
    from batch.backtest.engine.kernel import weigh_compiled  # noqa: PLC0415 (numba is an extra, and slow to import)

    return weigh_compiled


def _before(values: Floats, window: Callable[[pl.Series], pl.Series]) -> Floats:
    # NaN is null: polars' windows skip null, but not NaN.
    columns = [pl.Series(values[:, s], dtype=pl.Float64(), nan_to_null=True) for s in range(values.shape[1])]
    return np.column_stack([window(column).shift(1).to_numpy() for column in columns])
