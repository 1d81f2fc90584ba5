"""The columns from which strategies compute target weights."""

from collections.abc import Callable, Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.backtest.engine.arrays import Floats, Ints
from kaboom.backtest.engine.kernel_build import is_loaded
from kaboom.backtest.panel import Panel
from kaboom.indicators.formulas import FORMULAS

type Bools = NDArray[np.bool_]
_NAMES = ("high", "low", "close", "volume", "session")

#: The cached indicators of a panel are dropped when they take about this much.
_MEMO_BYTES = 256 * 1024 * 1024


def indicator(panel: Panel, name: str, *values: float) -> list[Floats]:
    """Return the outputs of an indicator of `kaboom.indicators`, each `[bars, symbols]`.

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
    short = np.zeros(enter.shape, dtype=np.bool_) if short is None else short
    weigh = _compiled() if is_loaded() else _weigh
    weigh(enter, short, leave, weight, weights)
    return weights


def _compiled() -> Callable[[Bools, Bools, Bools, float, Floats], None]:
    from kaboom.backtest.engine.kernel import weigh_compiled  # noqa: PLC0415 (loaded by a large backtest only)

    def weigh(enter: Bools, short: Bools, leave: Bools, weight: float, out: Floats) -> None:
        signals = (np.ravel(signal) for signal in (enter, short, leave))
        weigh_compiled(*signals, weight, np.zeros(out.shape[1]), out.reshape(-1))

    return weigh


def _weigh(enter: Bools, short: Bools, leave: Bools, weight: float, out: Floats) -> None:
    """Do the same as `engine.targets.weigh` in numpy, which takes a tenth of the time of a loop in Python."""
    columns, bars = np.nonzero((enter | short | leave).T)
    side = np.where(enter, 1.0, np.where(short, -1.0, 0.0))[bars, columns]
    is_first = np.append(True, columns[1:] != columns[:-1])[: side.size]
    is_change = side != np.where(is_first, 0.0, np.roll(side, 1))
    out[bars[is_change], columns[is_change]] = side[is_change] * weight


def _before(values: Floats, window: Callable[[pl.Series], pl.Series]) -> Floats:
    # NaN is null: polars' windows skip null, but not NaN.
    columns = [pl.Series(values[:, s], dtype=pl.Float64(), nan_to_null=True) for s in range(values.shape[1])]
    return np.column_stack([window(column).shift(1).to_numpy() for column in columns])
