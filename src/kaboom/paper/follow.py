"""The backtest that a paper portfolio follows, with what waits at each of its closes."""

import random
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np

from kaboom.backtest.broker import Broker
from kaboom.backtest.engine.arrays import Floats, carry_forward
from kaboom.backtest.engine.rules import Rules
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import NO_PROTECTION
from kaboom.backtest.result import Result
from kaboom.backtest.run import TargetStrategy, check_targets, find_first_decision, run_bars
from kaboom.backtest.strategies.files import AnyStrategy
from kaboom.backtest.strategy import BarStrategy
from kaboom.backtest.study.single import day_of
from kaboom.drivers.stop import ShouldStop, check_stop
from kaboom.paper.orders import Waiting
from kaboom.paper.request import FollowedRequest


@dataclass(frozen=True, slots=True)
class Followed:
    """A backtest of daily bars up to the newest session.

    Attributes:
        result: of the backtest.
        rules: the fill model.
        first: the first bar whose close decided.
        waiting: what waited at the close of each bar from `first` on.

    """

    result: Result
    rules: Rules
    first: int
    waiting: Mapping[int, Waiting]

    @property
    def panel(self) -> Panel:
        """The bars."""
        return self.result.panel

    def bars_after(self, day: date | None) -> range:
        """Return the bars of the sessions after a day, at the earliest the first that decided."""
        days = [day_of(self.panel, bar) for bar in range(self.panel.shape[0])]
        begin = self.first if day is None else max(self.first, bisect_right(days, day))
        return range(begin, len(days))

    def curve(self) -> dict[date, float]:
        """Return the equity at each close from the first decision on, in yen."""
        bars = range(self.first, self.panel.shape[0])
        return {day_of(self.panel, bar): float(self.result.equity[bar]) for bar in bars}


def follow(panel: Panel, strategy: AnyStrategy, request: FollowedRequest, should_stop: ShouldStop) -> Followed:
    """Run the backtest from the first session that is booked.

    Target weights begin with those that stand at its close. A strategy that is called for each bar is called for those
    before it, too, and what it decides there is dropped.

    Raises:
        InvalidRequest: a decision of the strategy is not allowed.
        Stopped: `should_stop` turned true.

    """
    # The user's own strategies may draw random numbers.
    random.seed(request.seed)
    np.random.seed(request.seed)  # noqa: NPY002 (the global state, which such strategies use)
    first, waiting = find_first_decision(panel, request), dict[int, Waiting]()

    def note(bar: int, broker: Broker) -> None:
        check_stop(should_stop)
        if bar < first:
            broker.drop_all()
        else:
            waiting[bar] = Waiting.note(broker, panel)

    called: BarStrategy
    protection = NO_PROTECTION
    if isinstance(strategy, BarStrategy):
        called = strategy
    else:
        targets, protection = strategy.targets(panel.read_only), strategy.protection
        check_targets(panel, targets)
        called = TargetStrategy(_stand_at(targets, first))
    rules = request.model.to_rules(protection)
    return Followed(run_bars(panel, called, rules, request.cash, note), rules, first, waiting)


def _stand_at(targets: Floats, first: int) -> Floats:
    """Return targets without those before a bar, at which those that stand are set."""
    begun = np.array(targets, dtype=np.float64)
    begun[first] = carry_forward(begun[: first + 1])[-1]
    begun[:first] = np.nan
    return begun
