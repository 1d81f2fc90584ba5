"""Finding strategies that look ahead: their decisions change when later bars are removed."""

from dataclasses import dataclass

import numpy as np

from batch.backtest.broker import Broker
from batch.backtest.engine.arrays import Ints
from batch.backtest.model import FillModel
from batch.backtest.panel import Panel
from batch.backtest.run import check_targets, run_bars
from batch.backtest.strategy import BarStrategy, WeightStrategy
from batch.errors import InvalidRequest

_CASH = 1e9


@dataclass(frozen=True, slots=True)
class LookAhead:
    """A decision that needs later bars.

    Attributes:
        bar: the bar of the decision.
        cut: the last bar that the strategy had when it made another decision.
        what: the difference, for people.

    """

    bar: int
    cut: int
    what: str


def check_lookahead(strategy: WeightStrategy | BarStrategy, panel: Panel, *, cuts: int = 24) -> LookAhead | None:
    """Return a decision of a strategy that changes when the bars after it are removed; None if there is none.

    Decisions up to each of `cuts` bars are compared, spread over the panel and over the bars in which the strategy
    decides something. For a weight strategy its weights are compared; other strategies are run with the default fill
    model. None proves nothing about bars that were not compared.

    Raises:
        InvalidRequest: the strategy decides nothing on these bars, so there is nothing to compare.

    """
    if isinstance(strategy, BarStrategy):
        return _check_bars(strategy, panel, FillModel(), cuts)
    return _check_weights(strategy, panel, cuts)


def _check_weights(strategy: WeightStrategy, panel: Panel, cuts: int) -> LookAhead | None:
    whole = strategy.targets(panel.read_only)
    check_targets(panel, whole)
    for cut in _choose(np.flatnonzero(~np.isnan(whole).all(axis=1)), panel, cuts):
        try:
            part = strategy.targets(panel.until(cut).read_only)
        except IndexError as e:
            return LookAhead(cut, cut, f"it failed without the bars after bar {cut}: {e}")
        same = (part == whole[: cut + 1]) | (np.isnan(part) & np.isnan(whole[: cut + 1]))
        if not same.all():
            bar, column = (int(x) for x in np.argwhere(~same)[0])
            values = f"{part[bar, column]:g} instead of {whole[bar, column]:g}"
            return LookAhead(bar, cut, f"the weight of {panel.symbols[column]} was {values}")
    return None


def _check_bars(strategy: BarStrategy, panel: Panel, model: FillModel, cuts: int) -> LookAhead | None:
    whole = _decisions(strategy, panel, model)
    changed = [bar for bar in range(1, len(whole)) if whole[bar] != whole[bar - 1]]
    for cut in _choose(np.array(changed, dtype=np.int64), panel, cuts):
        try:
            part = _decisions(strategy, panel.until(cut), model)
        except IndexError as e:
            return LookAhead(cut, cut, f"it failed without the bars after bar {cut}: {e}")
        for bar, (now, before) in enumerate(zip(part, whole, strict=False)):
            if now != before:
                return LookAhead(bar, cut, f"cash, positions and orders were {now} instead of {before}")
    return None


def _decisions(strategy: BarStrategy, panel: Panel, model: FillModel) -> list[tuple[object, ...]]:
    """Return the positions and pending orders after each bar, without NaN, which equals nothing."""
    seen: list[tuple[object, ...]] = []

    def note(_bar: int, broker: Broker) -> None:
        state = broker.sim.state
        held = [(int(s), float(state.shares[s])) for s in np.flatnonzero(state.shares)]
        waiting = [
            (int(s), float(state.weight[s]), float(state.want[s])) for s in np.flatnonzero(~np.isnan(state.weight))
        ]
        orders = [repr(order) for order in broker.orders]
        seen.append((broker.sim.account.cash, tuple(held), tuple(waiting), tuple(orders)))

    run_bars(panel, strategy, model.to_rules(), _CASH, note)
    return seen


def _choose(decided: Ints, panel: Panel, cuts: int) -> list[int]:
    """Return bars to cut after, ascending: half of them with decisions of the strategy, half spread evenly."""
    if not decided.size:
        bars, symbols = panel.shape
        raise InvalidRequest(
            f"the strategy decided nothing in {bars:,} bars of {symbols} symbols: nothing was compared"
        )
    last = panel.shape[0] - 2
    half = max(cuts // 2, 1)
    even = np.linspace(0, max(last, 0), half).astype(np.int64)
    some = decided[np.linspace(0, max(decided.size - 1, 0), min(half, decided.size)).astype(np.int64)]
    return sorted({int(bar) for bar in (*even, *some) if 0 <= bar <= last})
