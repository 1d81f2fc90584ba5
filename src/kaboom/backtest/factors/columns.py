"""The values of a formula in each session of a panel of daily bars, as a screen of the session would show them."""

import ast
import operator
from collections.abc import Callable, Mapping

import numpy as np
import polars as pl

from kaboom.backtest.engine.arrays import CLOSE, Floats
from kaboom.backtest.panel import PLACES, Panel
from kaboom.backtest.signals import indicator
from kaboom.indicators.expression import STATED, Column, Expression

#: Indicators in yen, whose values are of the shares of the session. The others have no unit, or one of their own.
_IN_YEN = frozenset({"sma", "ema", "wma", "macd", "bbands", "atr"})


def compute_factor(panel: Panel, formula: Expression) -> Floats:
    """Return the values of a formula, `[sessions, symbols]`; NaN where a symbol has no bar, or too few before.

    Prices and shares are those of the session, and columns of statements are of those known before its close. A
    division by 0 is NaN.
    """
    columns = {name: _compute(panel, column) for name, column in formula.columns.items()}
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        found = np.asarray(_evaluate(formula.tree, columns))
    return np.where(np.isfinite(found) & ~np.isnan(panel.prices[CLOSE]), found, np.nan)


def _compute(panel: Panel, column: Column) -> Floats:
    if column.kind == STATED:
        return panel.statement(column.name)
    if column.kind == "turnover":
        turnover: Floats = panel.prices[CLOSE] * panel.prices[PLACES["volume"]]
        return turnover
    if column.indicator is not None:
        values = indicator(panel, column.indicator.spec.name, *column.indicator.values)[column.output]
        return values / panel.scale if column.indicator.spec.name in _IN_YEN else values
    if not column.rows:
        of_bar: Floats = panel.prices[PLACES[column.kind]]
        return of_bar
    of, over = _OVER[column.kind]
    found = _over_rows(panel, panel.adjusted(of), lambda series: over(series, column.rows))
    if of == "close":
        return found
    return found * panel.scale if of == "volume" else found / panel.scale


#: Of a column over several sessions: the field of the bar, and what is made of its values. A high or a low is of the
#: sessions before, so that a close can be above it.
_OVER: Mapping[str, tuple[str, Callable[[pl.Series, int], pl.Series]]] = {
    "change": ("close", lambda values, rows: (values / values.shift(rows) - 1) * 100),
    "high": ("high", lambda values, rows: values.rolling_max(rows).shift(1)),
    "low": ("low", lambda values, rows: values.rolling_min(rows).shift(1)),
    "volume_sma": ("volume", lambda values, rows: values.rolling_mean(rows)),
}


def _over_rows(panel: Panel, values: Floats, over: Callable[[pl.Series], pl.Series]) -> Floats:
    """Return what is made of the bars that each symbol has; sessions without one do not count."""
    found = np.full(values.shape, np.nan)
    has_bar = ~np.isnan(panel.prices[CLOSE])
    for place, rows in enumerate(has_bar.T):
        found[rows, place] = over(pl.Series(values[rows, place])).to_numpy()
    return found


_OPERATORS: Mapping[type[ast.AST], Callable[[Floats, Floats], Floats]] = {
    ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv,
}  # fmt: skip


def _evaluate(node: ast.expr, columns: Mapping[str, Floats]) -> Floats:
    match node:
        case ast.Name(id=name):
            return columns[name]
        case ast.Constant(value=int() | float() as value):
            return np.float64(value)  # type: ignore[return-value]  # a number among columns
        case ast.UnaryOp(op=op, operand=operand):
            return -_evaluate(operand, columns) if isinstance(op, ast.USub) else _evaluate(operand, columns)
        case ast.BinOp(left=left, op=op, right=right):
            return _OPERATORS[type(op)](_evaluate(left, columns), _evaluate(right, columns))
    raise TypeError(f"unchecked node {type(node).__name__}")
