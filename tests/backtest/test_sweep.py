"""Sweeps, and metrics that are no one else's."""

import math
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest

from kaboom.backtest import metrics
from kaboom.backtest.engine.kernel_cache import has_numba
from kaboom.backtest.model import Fees, FillModel
from kaboom.backtest.run import run_targets, run_weights
from kaboom.backtest.strategies.registry import Breakout, SmaCross, Strategy
from kaboom.backtest.sweep import COLUMNS, run_sweep
from kaboom.errors import ConfigurationError, InvalidRequest
from tests.fixtures.backtest.panels import flat, goog, panel_of, random_panel

ROOT = Path(__file__).parents[2]
MODEL = FillModel(lot=1, has_ticks=False, has_limits=False, allows_short=True, fees=Fees(rate=0.001))
STRATEGIES: list[Strategy] = [
    *(
        SmaCross.parse({"fast": fast, "slow": slow, "side": side})
        for fast, slow, side in product((5, 10, 15), (20, 40), ("long", "both"))
    ),
    *(Breakout(entry=entry, stop_loss=stop) for entry, stop in product((20, 40), (None, 0.05))),
]


def test_a_sweep_says_what_each_run_says() -> None:
    found = run_sweep(GOOG, STRATEGIES, MODEL, cash=100_000)
    for values, strategy in zip(found, STRATEGIES, strict=True):
        row = dict(zip(COLUMNS, values, strict=True))
        summary = run_weights(GOOG, strategy, MODEL, cash=100_000).summary()
        assert row["final_equity"] == summary["final_equity"]
        assert row["total_return"] == summary["total_return"]
        assert row["sharpe"] == pytest.approx(summary["sharpe"], rel=1e-9)
        assert row["max_drawdown"] == pytest.approx(summary["max_drawdown"], rel=1e-12)
    assert np.unique(found[:, 0]).size > 10


def test_a_sweep_in_python_is_that_of_compiled_code() -> None:
    panel = random_panel(4, days=120)
    settings = product((2, 3), (5, 8), (None, 0.05))
    strategies = [SmaCross(fast=fast, slow=slow, stop_loss=stop) for fast, slow, stop in settings]
    ours, theirs = (
        run_sweep(panel, strategies, FillModel(), cash=1e6, engine=engine) for engine in ("numba", "python")
    )
    np.testing.assert_array_equal(ours, theirs)


def test_a_sweep_of_more_than_one_buffer_keeps_its_order(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = run_sweep(GOOG, STRATEGIES, MODEL, cash=100_000, engine="numba")
    monkeypatch.setattr("kaboom.backtest.sweep._BUFFER_BYTES", 1)
    np.testing.assert_array_equal(run_sweep(GOOG, STRATEGIES, MODEL, cash=100_000, engine="numba"), whole)


def test_a_short_journal_is_run_again_with_room() -> None:
    panel = panel_of(*[flat(100)] * 500, volume=1_000)
    targets = np.full(panel.shape, np.nan)
    targets[0] = 1.0
    model = FillModel(volume_cap=0.1, has_limits=False)
    found = [run_targets(panel, targets, model, cash=1e8, engine=engine).journal for engine in ("numba", "python")]
    assert found[0].rows() == found[1].rows()
    assert found[0].height == 499


def test_runs_are_the_same_without_numba() -> None:
    """A process in which numba cannot be imported, as where the extra is not installed."""
    code = (
        "import sys; sys.modules['numba'] = None; sys.path[:0] = [{api!r}, {api!r} + '/tests']\n"
        "from kaboom.backtest.engine.kernel_cache import has_numba\n"
        "from kaboom.backtest.run import run_weights\n"
        "from kaboom.backtest.model import FillModel\n"
        "from kaboom.backtest.strategies.registry import SmaCross\n"
        "from tests.fixtures.backtest.panels import goog\n"
        "assert not has_numba()\n"
        "result = run_weights(goog(), SmaCross(), FillModel(lot=1, has_limits=False), cash=100_000)\n"
        "print(result.equity.tobytes().hex())"
    ).format(api=str(ROOT))
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert has_numba()
    ours = run_weights(GOOG, SmaCross(), FillModel(lot=1, has_limits=False), cash=100_000, engine="numba")
    assert ours.equity.tobytes().hex() == done.stdout.strip()


def test_missing_numba_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("kaboom.backtest.engines.has_numba", lambda: False)
    targets = np.full(GOOG.shape, np.nan)
    with pytest.raises(ConfigurationError, match=r"install the extra `backtest` of kaboom-api"):
        run_targets(GOOG, targets, MODEL, cash=1e6, engine="numba")


@pytest.mark.parametrize("cash", [0, -1, math.nan, math.inf])
def test_invalid_cash_is_rejected(cash: float) -> None:
    with pytest.raises(InvalidRequest, match="cash was"):
        run_targets(GOOG, np.full(GOOG.shape, np.nan), MODEL, cash=cash)


def test_invalid_targets_are_rejected() -> None:
    with pytest.raises(InvalidRequest, match="shape"):
        run_targets(GOOG, np.zeros((3, 1)), MODEL, cash=1e6)
    for wrong in (11.0, -11.0, math.inf):
        with pytest.raises(InvalidRequest, match="beyond"):
            run_targets(GOOG, np.full(GOOG.shape, wrong), MODEL, cash=1e6)


def test_the_deflated_sharpe_ratio_is_that_of_its_paper() -> None:
    """Bailey and Lopez de Prado (2014), the numerical example: 0.9004 after 100 trials, 0.9505 after 46."""
    for trials, expected in ((100, 0.9004), (46, 0.9505)):
        chance = metrics.expected_best_sharpe(math.sqrt(0.5 / 250), trials)
        ratio, skew, kurtosis, periods = 2.5 / math.sqrt(250), -3.0, 10.0, 1250
        spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
        probability = 0.5 * math.erfc(-(ratio - chance) * math.sqrt((periods - 1) / spread) / math.sqrt(2))
        assert probability == pytest.approx(expected, abs=5e-4)


def test_more_trials_deflate_the_sharpe_ratio_more() -> None:
    returns = np.random.default_rng(1).normal(0.001, 0.01, 1000)
    found = [metrics.deflated_sharpe(returns, trials, 0.02) for trials in (1, 10, 100, 10_000)]
    assert found == sorted(found, reverse=True)
    assert 0 < found[-1] < found[0] < 1


def test_curves_and_rates_of_a_result() -> None:
    result = run_weights(GOOG, STRATEGIES[0], MODEL, cash=100_000)
    peak = np.maximum.accumulate(np.append(100_000, result.equity))[1:]
    np.testing.assert_allclose(result.drawdown, result.equity / peak - 1)
    trades = result.trades.drop_nulls("exit_bar")
    assert result.hit_rate == pytest.approx(float((trades["pnl"] > 0).mean()))  # type: ignore[arg-type]
    value = float((result.journal["shares"].abs() * result.journal["price"]).sum())
    assert result.turnover == pytest.approx(value / result.equity.mean() / (len(result.returns) / 244))
    held = np.abs(result.positions[:, 0]) * GOOG.prices[3][:, 0] / result.equity
    np.testing.assert_allclose(result.exposure, held, atol=1e-12)
    assert result.fees == pytest.approx(0.001 * value)


GOOG = goog()


def test_compiled_code_is_kept_for_the_next_process() -> None:
    run_weights(GOOG, STRATEGIES[0], MODEL, cash=1e6, engine="numba")
    code = (
        f"import sys; sys.path[:0] = [{str(ROOT)!r}]\n"
        "from kaboom.backtest.engine.kernel import run_entry\n"
        "from kaboom.backtest.model import FillModel\n"
        "from kaboom.backtest.run import run_weights\n"
        "from kaboom.backtest.strategies.registry import SmaCross\n"
        "from tests.fixtures.backtest.panels import goog\n"
        "run_weights(goog(), SmaCross(), FillModel(), cash=1e6, engine='numba')\n"
        "print(sum(run_entry.stats.cache_hits.values()), sum(run_entry.stats.cache_misses.values()))"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["1", "0"]


def test_the_probability_of_a_sharpe_ratio_is_that_of_its_formula() -> None:
    # Two values in equal numbers: no skewness, and a kurtosis of 1, so that the spread is 1.
    returns = np.array([0.02, -0.01] * 50)
    assert metrics.probabilistic_sharpe(0.1, 3.0, returns) == pytest.approx(NormalDist().cdf(0.1 * math.sqrt(99)))
