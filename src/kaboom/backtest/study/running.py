"""Running one strategy so that it can be stopped."""

import random

import numpy as np

from kaboom.backtest.broker import Broker
from kaboom.backtest.engine.kernel_build import build_kernel
from kaboom.backtest.engines import EngineName, choose_engine
from kaboom.backtest.panel import Panel
from kaboom.backtest.request import BarsAsked
from kaboom.backtest.result import Result
from kaboom.backtest.run import TargetStrategy, check_targets, run_bars, run_targets
from kaboom.backtest.strategies.files import AnyStrategy
from kaboom.backtest.strategy import BarStrategy
from kaboom.drivers.stop import ShouldStop, check_stop


def run_stoppable(
    panel: Panel, strategy: AnyStrategy, request: BarsAsked, should_stop: ShouldStop
) -> tuple[Result, EngineName]:
    """Return the result of a strategy on a panel, and the engine that ran it; both engines give the same fills.

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
        return run_bars(panel, strategy, model.to_rules(), cash, look), "python"
    targets, protection = strategy.targets(panel.read_only), strategy.protection
    check_stop(should_stop)
    check_targets(panel, targets)
    engine = choose_engine("auto", targets, protection)
    if engine == "numba":
        build_kernel(should_stop)
        return run_targets(panel, targets, model, cash=cash, protection=protection, engine=engine), engine
    return run_bars(panel, TargetStrategy(targets), model.to_rules(protection), cash, look), engine
