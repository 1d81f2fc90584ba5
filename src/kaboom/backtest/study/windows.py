"""The parts of a history on which a sweep chooses parameters (train) and tests them."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from kaboom.backtest.engine.arrays import Floats, carry_forward
from kaboom.backtest.engines import Engine
from kaboom.backtest.panel import Panel
from kaboom.backtest.request import SweepRequest
from kaboom.backtest.run import run_targets
from kaboom.backtest.strategy import WeightStrategy
from kaboom.errors import InvalidRequest

_LEAST_SESSIONS = 3


@dataclass(frozen=True, slots=True)
class Window:
    """Bars to choose on, up to `train_end`, and bars to test on, up to `test_end`, which is None without a test."""

    train_end: int
    test_end: int | None = None


def find_windows(request: SweepRequest, panel: Panel) -> tuple[Window, ...]:
    """Return the windows of a sweep; the last one ranks its trials.

    A window ends with a session. Walking forward, each fold chooses on all bars before its test.

    Raises:
        InvalidRequest: a train or test period has fewer than three sessions.

    """
    ends = panel.session_ends
    count, whole = ends.size, Window(int(ends[-1]))
    if request.out_of_sample is not None:
        cuts = [round(count * (1 - request.out_of_sample)), count]
    elif request.folds is not None:
        cuts = [round(count * part / (request.folds + 1)) for part in range(1, request.folds + 2)]
    else:
        return (whole,)
    if min(np.diff([0, *cuts])) < _LEAST_SESSIONS:
        pointer = "/folds" if request.folds else "/out_of_sample"
        raise InvalidRequest(
            f"a train or test period had fewer than {_LEAST_SESSIONS} of {count} sessions", pointer=pointer
        )
    tested = [Window(int(ends[a - 1]), int(ends[b - 1])) for a, b in pairwise(cuts)]
    return (*tested, whole) if request.folds else tuple(tested)


def run_test(
    panel: Panel, window: Window, strategy: WeightStrategy, request: SweepRequest, engine: Engine = "auto"
) -> Floats:
    """Return the returns by session of the test of a window.

    It starts with cash only: the positions that the strategy holds at the end of the train bars are bought at the first
    open.
    """
    seen = panel.until(window.test_end or window.train_end)
    targets = strategy.targets(seen.read_only).copy()
    held = _held((panel, window), targets, strategy, request, engine)
    targets[: window.train_end] = np.nan
    targets[window.train_end] = held
    protection = strategy.protection
    result = run_targets(seen, targets, request.model, cash=request.cash, protection=protection, engine=engine)
    return result.returns[int(np.searchsorted(seen.session_ends, window.train_end)) + 1 :]


def _held(
    at: tuple[Panel, Window], targets: Floats, strategy: WeightStrategy, request: SweepRequest, engine: Engine
) -> Floats:
    """Return the weights that a strategy holds at the end of the bars before a test; NaN for closed positions."""
    panel, window = at
    held: Floats = carry_forward(targets)[window.train_end]
    protection = strategy.protection
    if protection.stop_loss is None and protection.take_profit is None:
        return held
    # A stop or a target may have closed the position that the last weight opened.
    before = panel.until(window.train_end), targets[: window.train_end + 1]
    sim = run_targets(*before, request.model, cash=request.cash, protection=protection, engine=engine).sim
    is_out = (sim.state.shares == 0) & np.isnan(sim.state.weight)
    held[is_out] = np.nan
    return held
