"""Running a backtest: target weights by compiled code or in Python, and strategies that are called for each bar."""

from collections.abc import Callable
from datetime import date
from typing import Any

import numpy as np

from kaboom.backtest.broker import Broker
from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import FOREIGN, Account, Floats, Sim, new_rows, new_state
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engine.rules import Rules
from kaboom.backtest.engines import Engine, choose_engine
from kaboom.backtest.journal import write_curves
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.backtest.request import BarsAsked
from kaboom.backtest.result import Result
from kaboom.backtest.strategy import BarStrategy, WeightStrategy
from kaboom.errors import InvalidRequest

_NO_LIMITS = np.full((2, 1, 1), np.nan)
_NO_YEARS = np.zeros(1, dtype=np.int64)


def run_targets(
    panel: Panel,
    targets: Floats,
    model: FillModel,
    *,
    cash: float,
    protection: Protection = NO_PROTECTION,
    engine: Engine = "auto",
) -> Result:
    """Run target weights of equity, `[bars, symbols]`, each decided at the close of its bar; NaN leaves a position.

    Compiled code and Python give the same fills; `auto` compiles large work, for many runs say `numba`.

    Raises:
        InvalidRequest: the targets have another shape than the panel, or are out of bounds, or cash is not above 0.
        ConfigurationError: numba was asked for, and is not installed.

    """
    check_targets(panel, targets)
    rules = model.to_rules(protection)
    if choose_engine(engine, targets, protection) == "python":
        return run_bars(panel, TargetStrategy(targets), rules, cash)
    build_kernel()
    from kaboom.backtest.engine.kernel import run_compiled  # noqa: PLC0415 (numba is an extra, and slow to import)

    capacity = 256 + 2 * (targets.size - int(np.count_nonzero(np.isnan(targets))))
    done = run_compiled(new_sim(panel, rules, cash, capacity=capacity), targets)
    if done.account.rows > done.rows.bar.size:
        # The rows did not fit, but their number is known now.
        done = run_compiled(new_sim(panel, rules, cash, capacity=done.account.rows), targets)
    return Result(panel, done, float(cash))


def run_weights(
    panel: Panel, strategy: WeightStrategy, model: FillModel, *, cash: float, engine: Engine = "auto"
) -> Result:
    """Run a strategy of target weights, with its own stops and take-profits.

    Raises:
        InvalidRequest: the weights have another shape than the panel, or are out of bounds, or cash is not above 0.
        ConfigurationError: numba was asked for, and is not installed.

    """
    targets = strategy.targets(panel.read_only)
    return run_targets(panel, targets, model, cash=cash, protection=strategy.protection, engine=engine)


def run_bars(
    panel: Panel,
    strategy: BarStrategy,
    rules: Rules,
    cash: float,
    on_close: Callable[[int, Broker], None] = lambda _bar, _broker: None,
    build_context: Callable[[Panel, Broker], Context] = Context,
) -> Result:
    """Run a strategy that is called for each bar; `on_close` is called after each of its decisions.

    Raises:
        InvalidRequest: cash is not above 0, or an order of the strategy is not allowed.

    """
    broker = Broker(new_sim(panel, rules, cash))
    context = build_context(panel, broker)
    strategy.prepare(panel.read_only)
    for bar in range(panel.opened_at.size):
        if broker.has_work(bar):
            broker.work(bar)
            if broker.sim.account.is_ruined:
                break
        context.bar = bar
        strategy.on_bar(context)
        on_close(bar, broker)
    write_curves(broker.sim, cash)
    return Result(panel, broker.sim, float(cash), tuple(broker.orders))


def find_first_decision(panel: Panel, request: BarsAsked) -> int:
    """Return the first bar whose close decides; decisions at bars before it are dropped."""
    day = request.decides_from
    return 0 if day is None else int(np.searchsorted(panel.days, (day - date(1970, 1, 1)).days))


class TargetStrategy:
    """Target weights as a strategy that is called for each bar."""

    def __init__(self, targets: Floats) -> None:
        self._targets = targets
        self._columns: dict[int, list[int]] = {}
        for bar, column in np.argwhere(~np.isnan(targets)).tolist():
            self._columns.setdefault(bar, []).append(column)

    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        for column in self._columns.get(context.bar, ()):
            context.target(context.symbols[column], float(self._targets[context.bar, column]))


def check_targets(panel: Panel, targets: Any) -> None:
    """Check what a strategy returned: the shape `[..., bars, symbols]` and the bounds of target weights.

    Raises:
        InvalidRequest: it is no array of numbers, its shape is another, or a weight is out of bounds.

    """
    if not isinstance(targets, np.ndarray) or targets.dtype.kind not in "fiub":
        kind = f"an array of {targets.dtype}" if isinstance(targets, np.ndarray) else _name_of(targets)
        raise InvalidRequest(f"targets returned {kind}, expected a numpy array of numbers of shape {panel.shape}")
    if targets.shape[-2:] != panel.shape:
        raise InvalidRequest(f"targets had shape {targets.shape}, expected {panel.shape}")
    # These two ignore NaN, and copy nothing.
    lowest, highest = (bound.reduce(targets, axis=None, initial=0.0) for bound in (np.fmin, np.fmax))
    if lowest < -10 or highest > 10:
        raise InvalidRequest("targets were beyond 10 times the equity, expected -10 to 10")


def _name_of(value: object) -> str:
    return "None" if value is None else f"a {type(value).__name__}"


def new_sim(panel: Panel, rules: Rules, cash: float, *, capacity: int = 1024) -> Sim:
    """Return a run before its first bar.

    Raises:
        InvalidRequest: cash is not above 0.

    """
    if not 0 < cash <= 1e15:
        raise InvalidRequest(f"cash was {cash:g}, expected more than 0 yen, at most 1e15")
    n, m = panel.shape
    return Sim(
        prices=panel.prices,
        limits=_limits_of(panel, rules),
        days=panel.days,
        tick_periods=panel.tick_periods,
        tax_years=panel.settlement_years if rules.tax_rate else _NO_YEARS,
        issues=panel.issues,
        ex_sessions=panel.ex_sessions,
        rules=rules,
        state=new_state(m),
        account=Account(float(cash)),
        curves=np.empty((2, n)),
        rows=new_rows(capacity),
    )


def _limits_of(panel: Panel, rules: Rules) -> Floats:
    """Return the daily limits of a panel, NaN for symbols without them."""
    if not rules.has_limits:
        return _NO_LIMITS
    foreign = panel.issues.tick_class == FOREIGN
    if rules.has_foreign_limits or not foreign.any():
        return panel.limits
    return np.where(foreign, np.nan, panel.limits)
