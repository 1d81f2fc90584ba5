"""Finding strategies that look ahead: their decisions change when later bars are removed."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kaboom.backtest.broker import Broker
from kaboom.backtest.engine.arrays import LAST, Floats, Ints
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.run import check_targets, run_bars
from kaboom.backtest.strategy import BarStrategy, WeightStrategy
from kaboom.errors import InvalidRequest

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


@dataclass(frozen=True, slots=True)
class Comparison:
    """The decisions that were compared.

    Attributes:
        found: a decision that needs later bars; None if there is none, which proves nothing about other bars.
        decisions: how many decisions were compared.
        cuts: after how many bars the later bars were removed.

    """

    found: LookAhead | None
    decisions: int
    cuts: int


def check_lookahead(strategy: WeightStrategy | BarStrategy, panel: Panel, *, cuts: int = 36) -> Comparison:
    """Compare the decisions of a strategy with those that it makes when the bars after them are removed.

    Decisions up to each of `cuts` bars are compared: a third spread over the panel, a third over the bars in which the
    strategy decides something, and a third before the largest moves. For a weight strategy its weights are compared;
    other strategies are run with the default fill model.

    Raises:
        InvalidRequest: the strategy decides nothing on these bars, so there is nothing to compare.

    """
    if isinstance(strategy, BarStrategy):
        return _check_bars(strategy, panel, FillModel(), cuts)
    return _check_weights(strategy, panel, cuts)


def _check_weights(strategy: WeightStrategy, panel: Panel, cuts: int) -> Comparison:
    whole = strategy.targets(panel.read_only)
    check_targets(panel, whole)
    chosen = _choose(np.flatnonzero(~np.isnan(whole).all(axis=1)), panel, cuts)
    decisions = int(np.count_nonzero(~np.isnan(whole[: max(chosen, default=-1) + 1])))
    found = (_compare_weights(strategy, panel, whole, cut) for cut in chosen)
    return Comparison(next(filter(None, found), None), decisions, len(chosen))


def _compare_weights(strategy: WeightStrategy, panel: Panel, whole: Floats, cut: int) -> LookAhead | None:
    try:
        part = strategy.targets(panel.until(cut).read_only)
    except IndexError as e:
        return LookAhead(cut, cut, f"it failed without the bars after bar {cut}: {e}")
    check_targets(panel.until(cut), part)
    same = (part == whole[: cut + 1]) | (np.isnan(part) & np.isnan(whole[: cut + 1]))
    if same.all():
        return None
    bar, column = (int(x) for x in np.argwhere(~same)[0])
    values = f"{part[bar, column]:g} instead of {whole[bar, column]:g}"
    return LookAhead(bar, cut, f"the weight of {panel.symbols[column]} was {values}")


def _check_bars(strategy: BarStrategy, panel: Panel, model: FillModel, cuts: int) -> Comparison:
    whole = _decisions(strategy, panel, model)
    changed = [bar for bar in range(1, len(whole)) if whole[bar] != whole[bar - 1]]
    chosen = _choose(np.array(changed, dtype=np.int64), panel, cuts)
    decisions = sum(bar <= max(chosen, default=-1) for bar in changed)
    found = (_compare_bars(whole, strategy, panel.until(cut), model) for cut in chosen)
    return Comparison(next(filter(None, found), None), decisions, len(chosen))


def _compare_bars(
    whole: Sequence[tuple[object, ...]], strategy: BarStrategy, seen: Panel, model: FillModel
) -> LookAhead | None:
    cut = seen.shape[0] - 1
    try:
        part = _decisions(strategy, seen, model)
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
    """Return bars to cut after, ascending: a third each with decisions, before the largest moves, and spread evenly."""
    if not decided.size:
        raise InvalidRequest(f"the strategy decided nothing in {panel.shape[0]:,} bars: nothing was compared")
    last = panel.shape[0] - 2
    part = max(cuts // 3, 1)
    even = np.linspace(0, max(last, 0), part).astype(np.int64)
    some = decided[np.linspace(0, max(decided.size - 1, 0), min(part, decided.size)).astype(np.int64)]
    # Who looks ahead gains most before these.
    moves = np.nan_to_num(np.abs(np.diff(np.log(panel.prices[LAST]), axis=0)), nan=0.0).max(axis=1)
    return sorted({int(bar) for bar in (*even, *some, *np.argsort(moves)[-part:]) if 0 <= bar <= last})
