"""Running one strategy so that it can be stopped."""

import random
from typing import Literal

import numpy as np

from batch.backtest.broker import Broker
from batch.backtest.panel import Panel
from batch.backtest.request import BarsAsked
from batch.backtest.result import Result
from batch.backtest.run import TargetStrategy, check_targets, has_numba, run_bars, run_targets
from batch.backtest.strategies.files import AnyStrategy
from batch.backtest.strategy import BarStrategy
from batch.kit.stop import ShouldStop, check_stop

type EngineName = Literal["numba", "python"]


def engine_of(strategy: AnyStrategy) -> EngineName:
    """Return the engine that runs a strategy; both engines give the same fills."""
    return "numba" if has_numba() and not isinstance(strategy, BarStrategy) else "python"


def run_stoppable(panel: Panel, strategy: AnyStrategy, request: BarsAsked, should_stop: ShouldStop) -> Result:
    """Return the result of a strategy on a panel.

    Raises:
        InvalidRequest: a decision of the strategy is not allowed.
        Stopped: `should_stop` turned true. Compiled code is not stopped, since it takes only some tenths of a second.

    """
    # The user's own strategies may draw random numbers.
    random.seed(request.seed)
    np.random.seed(request.seed)  # noqa: NPY002 (the global state, which such strategies use)

    def look(_bar: int, _broker: Broker) -> None:
        check_stop(should_stop)

    cash, model = request.cash, request.model
    if isinstance(strategy, BarStrategy):
        return run_bars(panel, strategy, model.to_rules(), cash, look)
    targets, protection = strategy.targets(panel.read_only), strategy.protection
    check_stop(should_stop)
    if has_numba():
        return run_targets(panel, targets, model, cash=cash, protection=protection)
    check_targets(panel, targets)
    return run_bars(panel, TargetStrategy(targets), model.to_rules(protection), cash, look)
