"""The choice of the engine: small work is never compiled, and the choice changes no byte."""

import subprocess
import sys

import numpy as np
import pytest

from kaboom.backtest.engine.kernel_build import is_loaded
from kaboom.backtest.engine.targets import weigh
from kaboom.backtest.engines import choose_engine, estimate_s
from kaboom.backtest.model import FillModel
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.backtest.request import SweepRequest
from kaboom.backtest.run import run_weights
from kaboom.backtest.signals import weights_on_change
from kaboom.backtest.strategies.registry import BuyAndHold, SmaCross
from kaboom.backtest.study import trials
from kaboom.backtest.study.made_up import make_panel
from kaboom.backtest.study.trials import TrialRunner
from kaboom.backtest.study.windows import Window
from kaboom.backtest.sweep import find_engine
from kaboom.drivers.stop import never

STOPPED = Protection(stop_loss=0.05)


def targets_of(
    bars: int, symbols: int, *, weights: int, weight: float = 0.5
) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    targets = np.full((bars, symbols), np.nan)
    targets.reshape(-1)[:weights] = weight
    return targets


@pytest.mark.parametrize(
    ("shape", "weights", "protection", "chosen"),
    [
        ((1250, 1), 60, NO_PROTECTION, "python"),
        ((5000, 1), 250, STOPPED, "python"),
        ((1250, 50), 3000, NO_PROTECTION, "python"),
        ((1250, 50), 8000, NO_PROTECTION, "numba"),
        ((1250, 100), 10, STOPPED, "numba"),
        ((80_000, 1), 100, NO_PROTECTION, "python"),
        ((80_000, 20), 100_000, NO_PROTECTION, "numba"),
    ],
)
def test_only_large_runs_are_compiled(
    shape: tuple[int, int], weights: int, protection: Protection, chosen: str
) -> None:
    targets = targets_of(*shape, weights=weights)
    assert choose_engine("auto", targets, protection) == chosen


def test_short_positions_are_checked_in_each_bar() -> None:
    long, short = (targets_of(1250, 100, weights=10, weight=side) for side in (0.5, -0.5))
    assert estimate_s(short, NO_PROTECTION) == estimate_s(long, STOPPED) > 10 * estimate_s(long, NO_PROTECTION)


def test_runs_of_a_sweep_are_chosen_together() -> None:
    panel, crosses = make_panel(symbols=1, bars=250), [SmaCross(fast=5, slow=20)]
    assert find_engine(panel, crosses * 12) == "python"
    assert find_engine(panel, crosses, runs=10_000) == "numba"
    assert find_engine(panel, crosses, "python", runs=10_000) == "python"
    assert find_engine(panel, []) == "python"


def test_a_chunk_of_many_trials_is_compiled_though_each_batch_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[object] = []

    def note(*_: object, engine: str, **__: object) -> object:
        asked.append(engine)
        return np.zeros((1, 5))

    monkeypatch.setattr(trials, "run_sweep", note)
    panel = make_panel(symbols=1, bars=250)
    request = SweepRequest.parse({"strategy": "sma_cross", "symbols": ["7203"], "parameters": {"fast": [5, 6]}})
    for count in (12, 10_000):
        TrialRunner(panel, (Window(249),), request, count).run([SmaCross(fast=5, slow=20)], never)
    assert asked == ["python", "numba"]


def test_a_small_backtest_loads_no_compiler() -> None:
    """In a process of its own: the memory and the time of numba are not paid for."""
    code = (
        "import sys\n"
        "from kaboom.backtest.model import FillModel\n"
        "from kaboom.backtest.run import run_weights\n"
        "from kaboom.backtest.strategies.registry import STRATEGIES\n"
        "from kaboom.backtest.study.made_up import make_panel\n"
        "from kaboom.backtest.sweep import run_sweep\n"
        "from kaboom.disclosures.ratios import COLUMNS\n"
        "panel = make_panel(symbols=1, bars=1250, statements=COLUMNS)\n"
        "for kind in STRATEGIES.values():\n"
        "    run_weights(panel, kind(), FillModel(), cash=1e7)\n"
        "    run_sweep(panel, [kind()] * 12, FillModel(), cash=1e7)\n"
        "print({'numba', 'llvmlite'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.strip() == "set()"


def test_weights_are_the_same_in_numpy_in_a_loop_and_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    run_weights(make_panel(symbols=1, bars=50), BuyAndHold(), FillModel(), cash=1e7, engine="numba")
    assert is_loaded()
    rng = np.random.default_rng(1)
    for turn in range(200):
        shape = tuple(rng.integers(1, 40, 2))
        enter, short, leave = (rng.random(shape) < rng.random() for _ in range(3))
        short &= turn % 2 == 0
        weight, loop = float(rng.normal()), np.full(shape, np.nan)
        weigh(enter.ravel(), short.ravel(), leave.ravel(), weight, np.zeros(shape[1]), loop.reshape(-1))
        found = []
        for loaded in (False, True):
            monkeypatch.setattr("kaboom.backtest.signals.is_loaded", lambda loaded=loaded: loaded)
            found.append(weights_on_change(enter, leave, weight, short if turn % 2 == 0 else None).tobytes())
        assert found == [loop.tobytes()] * 2
