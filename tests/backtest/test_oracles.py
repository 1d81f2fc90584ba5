"""Other libraries' answers on real prices; `record_oracles.py` and `record_performance.py` wrote them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from kaboom.backtest import metrics
from kaboom.backtest.context import Context
from kaboom.backtest.engines import Engine
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.panel import Panel
from kaboom.backtest.result import Result
from kaboom.backtest.run import run_bars, run_weights
from kaboom.backtest.signals import crosses_above, indicator
from kaboom.backtest.strategies.registry import SmaCross
from tests.fixtures.backtest.panels import goog, load_answers

ANSWERS = load_answers()
PERFORMANCE: dict[str, Any] = json.loads((Path(__file__).parents[1] / "fixtures/market/performance.json").read_text())
GOOG = goog()
CASH = 10_000
FRICTIONLESS = FillModel(
    lot=1,
    has_ticks=False,
    has_limits=False,
    volume_cap=0.0,
    size_at="fill",
    borrow_rate=0.0,
    fees=Fees(),
    slippage=Slippage(),
)
SHORT = FillModel.parse(
    FRICTIONLESS.to_json() | {"fees": {"rate": 0.002}, "allows_short": True, "maintenance": 1.0, "fills_on_touch": True}
)


class Bracket:
    """Ten shares at each cross while nothing is held, with a stop and a target by the last close."""

    def prepare(self, panel: Panel) -> None:
        (fast,), (slow,) = indicator(panel, "sma", 10), indicator(panel, "sma", 20)
        self._up, self._down = crosses_above(fast, slow)[:, 0].tolist(), crosses_above(slow, fast)[:, 0].tolist()

    def on_bar(self, context: Context) -> None:
        price = context.last("GOOG")
        if context.position("GOOG"):
            return
        if self._up[context.bar]:
            context.buy("GOOG", 10, stop=0.95 * price, take=1.10 * price)
        elif self._down[context.bar]:
            context.sell("GOOG", 10, stop=1.05 * price, take=0.90 * price)


def expect_trades(result: Result, answers: list[list[float]]) -> None:
    trades = result.trades.filter(pl.col("exit_bar").is_not_null()).sort("entry_bar")
    theirs = np.array(sorted(answers, key=lambda row: row[1]))
    assert trades.height == len(theirs)
    assert ((trades["side"] * trades["shares"]).to_numpy() == theirs[:, 0]).all()
    for column, name in ((1, "entry_bar"), (2, "exit_bar")):
        assert (trades[name].to_numpy() == theirs[:, column]).all(), name
    for column, name in ((3, "entry_price"), (4, "exit_price"), (5, "pnl"), (6, "fees")):
        np.testing.assert_allclose(trades[name].to_numpy(), theirs[:, column], rtol=1e-11, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_crosses_of_averages_trade_as_in_backtesting_py(engine: Engine) -> None:
    strategy = SmaCross(fast=10, slow=20, side="both")
    expect_trades(run_weights(GOOG, strategy, SHORT, cash=CASH, engine=engine), ANSWERS["cross"])


def test_stops_and_targets_trade_as_in_backtesting_py() -> None:
    expect_trades(run_bars(GOOG, Bracket(), SHORT.to_rules(), cash=CASH), ANSWERS["bracket"])


@pytest.mark.parametrize("engine", ["numba", "python"])
def test_equity_of_a_long_only_run_is_that_of_vectorbt(engine: Engine) -> None:
    model = FRICTIONLESS.filled(fees=Fees(rate=0.002).to_json())
    result = run_weights(GOOG, SmaCross(fast=10, slow=20), model, cash=CASH, engine=engine)
    np.testing.assert_allclose(result.equity, ANSWERS["long_only"], rtol=1e-12)


@pytest.mark.parametrize("name", ANSWERS["metrics"])
def test_metrics_are_those_of_empyrical(name: str) -> None:
    returns, theirs = np.array(ANSWERS["metrics"][name]["returns"]), ANSWERS["metrics"][name]["answers"]
    ours = {
        "cagr": metrics.cagr(returns, 252),
        "volatility": metrics.volatility(returns, 252),
        "sharpe": metrics.sharpe(returns, 252),
        "sharpe_over": metrics.sharpe(returns, 252, risk_free=0.0001),
        "sortino": metrics.sortino(returns, 252),
        "sortino_over": metrics.sortino(returns, 252, required=0.0001),
        "calmar": metrics.calmar(returns, 252),
        "max_drawdown": metrics.max_drawdown(returns),
    }
    assert ours.keys() == theirs.keys()
    for metric, value in ours.items():
        assert value == pytest.approx(theirs[metric], rel=1e-9, abs=1e-12, nan_ok=True), metric


@pytest.mark.parametrize("name", PERFORMANCE["measured"])
def test_metrics_of_real_shares_are_those_of_empyrical_quantstats_and_scipy(name: str) -> None:
    closes = np.array(PERFORMANCE["closes"][name])
    returns, deflated = closes[1:] / closes[:-1] - 1, PERFORMANCE["deflated"]
    ours = {
        "cagr": metrics.cagr(returns, 252),
        "volatility": metrics.volatility(returns, 252),
        "sharpe": metrics.sharpe(returns, 252),
        "sortino": metrics.sortino(returns, 252),
        "calmar": metrics.calmar(returns, 252),
        "max_drawdown": metrics.max_drawdown(returns),
        "skewness": metrics.skewness(returns),
        "kurtosis": metrics.kurtosis(returns),
        "deflated_sharpe": metrics.deflated_sharpe(returns, deflated["trials"], deflated["deviation"]),
    }
    for library, answers in PERFORMANCE["measured"][name].items():
        for metric, value in answers.items():
            assert ours[metric] == pytest.approx(value, rel=1e-9), f"{metric} of {library}"
