"""The strategies that come with Kaboom: their parameters, their decisions, and that none looks ahead."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.lookahead import check_lookahead
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import NO_PROTECTION, Protection
from kaboom.backtest.run import run_weights
from kaboom.backtest.signals import highest_before, indicator, weights_on_change
from kaboom.backtest.strategies.files import find_strategy, load_strategy_file
from kaboom.backtest.strategies.registry import (
    STRATEGIES,
    Breakout,
    BuyAndHold,
    MeanReversion,
    MomentumRank,
    SmaCross,
    Strategy,
)
from kaboom.backtest.study.made_up import make_panel
from kaboom.errors import InvalidRequest
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.table import parse_indicators
from kaboom.market.interval import Interval
from tests.fixtures.backtest.panels import bar_frame, flat, goog, panel_of, random_frame, random_panel

SMALL: list[Strategy] = [
    SmaCross(fast=3, slow=7, side="both"),
    MomentumRank(lookback=5, every=3, top=2),
    MeanReversion(period=5, deviations=1.0, side="both"),
    Breakout(entry=8, exit=4, side="both"),
    BuyAndHold(),
]


def said(panel: Panel, strategy: Strategy) -> list[tuple[int, int, float]]:
    weights = strategy.targets(panel)
    return [(bar, column, float(weights[bar, column])) for bar, column in np.argwhere(~np.isnan(weights)).tolist()]


def closes(*prices: float) -> Panel:
    return panel_of(*[flat(price) for price in prices])


def test_sma_cross_buys_when_the_fast_average_crosses_above() -> None:
    panel = closes(10, 10, 10, 10, 13, 13, 9, 5, 5)
    assert said(panel, SmaCross(fast=2, slow=3)) == [(4, 0, 1.0), (6, 0, 0.0)]
    assert said(panel, SmaCross(fast=2, slow=3, side="both")) == [(4, 0, 1.0), (6, 0, -1.0)]


def test_mean_reversion_buys_below_the_band_and_sells_at_the_mean() -> None:
    panel = closes(100, 101, 100, 101, 90, 95, 101)
    assert said(panel, MeanReversion(period=4, deviations=1.5)) == [(4, 0, 1.0), (6, 0, 0.0)]


def test_breakout_buys_a_new_high_and_sells_a_new_low() -> None:
    panel = closes(100, 99, 100, 101, 102, 101, 98)
    assert said(panel, Breakout(entry=3, exit=2)) == [(3, 0, 1.0), (6, 0, 0.0)]


def test_momentum_rank_holds_what_rose_most() -> None:
    rising, falling, still = [flat(100 + n) for n in range(5)], [flat(100 - n) for n in range(5)], [flat(100)] * 5
    panel = Panel.of(bar_frame({"1301": falling, "1302": still, "1303": rising}), Interval.D1)
    ranked = MomentumRank(lookback=2, every=2, top=2)
    assert said(panel, ranked) == [(b, c, w) for b in (2, 4) for c, w in ((0, 0.0), (1, 0.5), (2, 0.5))]


def test_buy_and_hold_buys_each_symbol_after_its_first_bar() -> None:
    panel = Panel.of(bar_frame({"1301": [flat(100)] * 3, "1302": [None, flat(100), flat(100)]}), Interval.D1)
    assert said(panel, BuyAndHold()) == [(0, 0, 0.5), (1, 1, 0.5)]


def test_a_weight_is_repeated_only_after_a_change() -> None:
    enter, leave, short = (np.array([[int(x)] for x in bits], dtype=bool) for bits in ("0110100", "1000010", "0001001"))
    weights = weights_on_change(enter, leave, 0.5, short)[:, 0]
    np.testing.assert_array_equal(weights, [np.nan, 0.5, np.nan, -0.5, 0.5, 0.0, -0.5])


def test_indicators_are_those_of_the_bars_of_each_symbol() -> None:
    frame = random_frame(3, symbols=2)
    panel, chosen = Panel.of(frame, Interval.D1), parse_indicators(["sma:5", "bbands:6,2", "rsi:4"], Interval.D1)
    for column, symbol in enumerate(panel.symbols):
        theirs = compute_indicators(frame.filter(frame["symbol"] == symbol), chosen)
        has_bar = ~np.isnan(panel.prices[3, :, column])
        for each in chosen:
            for name, ours in zip(each.columns, indicator(panel, each.spec.name, *each.values), strict=True):
                np.testing.assert_array_equal(ours[has_bar, column], theirs[name].to_numpy())
                assert np.isnan(ours[~has_bar, column]).all()


def test_an_indicator_that_others_read_cannot_be_changed() -> None:
    panel = random_panel(5)
    (first,) = indicator(panel, "sma", 3)
    with pytest.raises(ValueError, match="read-only"):
        first *= 2.0
    assert indicator(panel, "sma", 3)[0] is first


def test_a_channel_does_not_have_its_own_bar() -> None:
    assert highest_before(np.array([[1.0], [5.0], [2.0], [9.0]]), 2)[:, 0].tolist()[2:] == [5.0, 5.0]


@pytest.mark.parametrize("strategy", SMALL, ids=lambda s: s.name)
@pytest.mark.parametrize("seed", range(3))
def test_no_strategy_looks_ahead(strategy: Strategy, seed: int) -> None:
    panel = random_panel(seed, days=50)
    assert run_weights(panel, strategy, FillModel(), cash=1e7).journal.height > 0
    assert check_lookahead(strategy, panel, cuts=50).found is None


class NeverOnBar:
    """Waits for ever."""

    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        pass


class Planted:
    """Weights that need bars after their own."""

    protection: Protection = NO_PROTECTION

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def targets(self, panel: Panel) -> Any:
        close = panel.adjusted("close")
        weights = np.full(panel.shape, np.nan)
        if self._kind == "tomorrow":
            weights[:-1][close[1:] > close[:-1]] = 1.0
        elif self._kind == "mean of all":
            weights[close < np.nanmean(close)] = 1.0
        elif self._kind == "last bar":
            weights[10] = close[len(close) - 1] > close[10]
        else:
            weights[20] = close[40] > close[20]
        return weights


@pytest.mark.parametrize("kind", ["tomorrow", "mean of all", "last bar", "fixed bar"])
def test_a_planted_look_ahead_is_found(kind: str) -> None:
    found = check_lookahead(Planted(kind), random_panel(5)).found
    assert found is not None
    assert found.bar <= found.cut


@pytest.mark.parametrize("strategy", [SmaCross(fast=70, slow=80), NeverOnBar()], ids=["weights", "on_bar"])
def test_a_strategy_that_decided_nothing_was_not_checked(strategy: Any) -> None:
    with pytest.raises(InvalidRequest, match="decided nothing in 60 bars: nothing was compared"):
        check_lookahead(strategy, random_panel(5))


class Cheat:
    """Leaves before the next bar falls by more than 4 %, and holds otherwise."""

    protection = NO_PROTECTION

    def targets(self, panel: Panel) -> Floats:
        close = panel.adjusted("close")
        later = np.vstack([close[1:], close[-1:]])
        weights: Floats = np.where(later < close * 0.96, 0.0, 1.0 / close.shape[1])
        return weights


def test_made_up_bars_tempt_a_strategy_that_only_avoids_crashes() -> None:
    compared = check_lookahead(Cheat(), make_panel())
    assert compared.found is not None
    honest = check_lookahead(SmaCross(fast=5, slow=20), make_panel())
    assert (honest.found, honest.cuts > 20, honest.decisions > 50) == (None, True, True)


class Wrong:
    """Returns what is no array of weights."""

    protection = NO_PROTECTION

    def __init__(self, value: Any) -> None:
        self._value = value

    def targets(self, _panel: Panel) -> Any:
        return self._value


@pytest.mark.parametrize(
    ("value", "kind"), [(None, "None"), ([0.5] * 60, "a list"), (np.array([None]), "an array of object")]
)
def test_a_strategy_that_returns_no_array_gets_a_sentence(value: Any, kind: str) -> None:
    panel = random_panel(5)
    said = f"targets returned {kind}, expected a numpy array of numbers of shape"
    for run in (
        lambda: check_lookahead(Wrong(value), panel),
        lambda: run_weights(panel, Wrong(value), FillModel(), cash=1e7),
    ):
        with pytest.raises(InvalidRequest, match=said):
            run()


class PlantedInPrepare:
    """Buys when the next close is higher."""

    def __init__(self, shift: int) -> None:
        self._shift = shift

    def prepare(self, panel: Panel) -> None:
        close = panel.adjusted("close")[:, 0]
        later = np.concatenate([close[self._shift :], np.full(self._shift, np.nan)])
        self._rises = (later > close).tolist() if self._shift else (close > 0).tolist()

    def on_bar(self, context: Context) -> None:
        if self._rises[context.bar]:
            context.buy(context.symbols[0], 100)


@pytest.mark.parametrize(("shift", "is_caught"), [(1, True), (5, True), (0, False)])
def test_a_planted_look_ahead_in_python_is_found(shift: int, *, is_caught: bool) -> None:
    assert (check_lookahead(PlantedInPrepare(shift), goog().until(60)).found is not None) is is_caught


@pytest.mark.parametrize(
    ("name", "parameters", "says"),
    [
        ("magic", {}, "supported are sma_cross, momentum_rank"),
        ("sma_cross", {"fast": 20, "slow": 10}, "fast was 20"),
        ("sma_cross", {"fast": "10"}, "/fast"),
        ("sma_cross", {"fats": 10}, "/fats"),
        ("sma_cross", {"fast": 1}, "/fast"),
        ("breakout", {"side": "short"}, "/side"),
        ("mean_reversion", {"deviations": float("nan")}, "/deviations"),
        ("buy_and_hold", {"stop_loss": 1.5}, "/stop_loss"),
        ("buy_and_hold", {"weight": 0}, "/weight"),
    ],
)
def test_an_invalid_parameter_is_rejected(name: str, parameters: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        find_strategy(name, None).parse(parameters)


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_strategy_survives_json(name: str) -> None:
    strategy = STRATEGIES[name].parse({"stop_loss": 0.1})
    assert type(strategy).parse(strategy.to_json()) == strategy


def test_a_file_of_before_the_one_package_still_loads(tmp_path: Path) -> None:
    path = tmp_path / "older.py"
    path.write_text(
        "from batch.backtest.strategies.settings import StrategySettings\n\n\n"
        "class Strategy(StrategySettings):\n    bars: int = 20\n\n"
        "    def targets(self, panel):\n        return None\n"
    )
    assert load_strategy_file(path).parse({"bars": 5}).bars == 5  # type: ignore[union-attr]
