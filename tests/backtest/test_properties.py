"""What holds for every backtest, on random bars with splits, dividends, delistings, locked limits and thin volume."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.backtest.context import Context
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.panel import Panel
from kaboom.backtest.protection import Protection
from kaboom.backtest.result import Result
from kaboom.backtest.run import run_bars, run_targets
from kaboom.market.interval import Interval
from tests.fixtures.backtest.panels import random_frame, random_listings, random_panel, random_targets

CASH = 1_000_000.0
SEEDS = st.integers(0, 10_000)
FEES = st.sampled_from(
    [
        *(
            Fees(),
            Fees(rate=0.002, least=55.0),
            Fees(fixed=80.0, most=500.0),
            Fees(table="monex"),
            Fees(table="matsui-box"),
        ),
        Fees(steps=((50_000.0, 55.0), (1e9, 535.0))),
    ]
)
MODELS = st.builds(
    FillModel,
    lot=st.sampled_from([1, 100]),
    has_ticks=st.booleans(),
    has_limits=st.booleans(),
    volume_cap=st.sampled_from([0.0, 0.25, 1.0]),
    rest=st.sampled_from(["carry", "cancel"]),
    size_at=st.sampled_from(["decision", "fill"]),
    fills_on_touch=st.booleans(),
    allows_short=st.booleans(),
    borrow_rate=st.sampled_from([0.0, 0.2]),
    fees=FEES,
    tax_rate=st.sampled_from([0.0, 0.20315]),
    slippage=st.builds(
        Slippage, rate=st.sampled_from([0.0, 0.001]), ticks=st.integers(0, 2), impact=st.sampled_from([0.0, 0.1])
    ),
)
PROTECTIONS = st.builds(
    Protection, stop_loss=st.sampled_from([None, 0.03, 0.1]), take_profit=st.sampled_from([None, 0.05])
)
#: Examples are drawn anew each time, on two busy cores.
FEW = settings(max_examples=40, deadline=None)


class RandomOrders:
    """Orders of all kinds that depend on the bar and its close alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        rng = np.random.default_rng([self._seed, context.bar])
        symbol = str(rng.choice(context.symbols))
        price, shares = context.last(symbol), 100.0 * float(rng.integers(1, 5))
        if np.isnan(price) or not context.is_listed(symbol):
            return
        side = context.buy if rng.random() < 0.6 else context.sell
        terms: list[dict[str, float]] = [
            {},
            {"limit": price * float(rng.uniform(0.97, 1.03))},
            {"stop_at": price * float(rng.uniform(0.97, 1.03))},
            {"stop_loss": 0.05, "take_profit": 0.05},
            {"stop": price * 0.9, "take": price * 1.1},
        ]
        side(symbol, shares, **terms[int(rng.integers(len(terms)))])
        if context.orders and rng.random() < 0.2:
            context.cancel(context.orders[0])
        if rng.random() < 0.1:
            context.close(symbol)


def run_both(seed: int, model: FillModel, protection: Protection) -> tuple[Result, Result]:
    panel = random_panel(seed)
    targets = random_targets(seed, panel)
    ours, theirs = (
        run_targets(panel, targets, model, cash=CASH, protection=protection, engine=engine)
        for engine in ("numba", "python")
    )
    return ours, theirs


def expect_sums(result: Result) -> None:
    trades, change = result.trades, float(result.equity[-1]) - result.start
    assert float(trades["pnl"].sum()) + result.flows - result.taxes == pytest.approx(change, abs=1e-4)
    assert float(trades["fees"].sum()) == pytest.approx(result.fees, abs=1e-6)
    held = np.where(result.positions == 0, 0.0, result.positions * result.panel.prices[5])
    np.testing.assert_allclose(result.cash + held.sum(axis=1), result.equity, atol=1e-6)


@FEW
@given(SEEDS, MODELS, PROTECTIONS)
def test_compiled_code_fills_as_python_does(seed: int, model: FillModel, protection: Protection) -> None:
    compiled, python = run_both(seed, model, protection)
    assert compiled.journal.rows() == python.journal.rows()
    assert compiled.equity.tobytes() == python.equity.tobytes()
    assert compiled.cash.tobytes() == python.cash.tobytes()
    assert compiled.is_ruined == python.is_ruined


@FEW
@given(SEEDS, MODELS, PROTECTIONS)
def test_gains_fees_and_flows_sum_to_the_change_of_equity(seed: int, model: FillModel, protection: Protection) -> None:
    expect_sums(run_both(seed, model, protection)[0])


@FEW
@given(SEEDS, MODELS)
def test_orders_of_all_kinds_sum_to_the_change_of_equity(seed: int, model: FillModel) -> None:
    expect_sums(run_bars(random_panel(seed), RandomOrders(seed), model.filled(lot=100).to_rules(), cash=CASH))


@FEW
@given(SEEDS, MODELS, PROTECTIONS)
def test_cash_is_never_negative_without_short_positions(seed: int, model: FillModel, protection: Protection) -> None:
    result = run_both(seed, model.filled(allows_short=False), protection)[0]
    assert result.cash.min() >= 0
    assert result.positions.min() >= 0


@FEW
@given(SEEDS, MODELS)
def test_orders_never_take_more_cash_than_there_is(seed: int, model: FillModel) -> None:
    model = model.filled(lot=100, allows_short=False)
    result = run_bars(random_panel(seed), RandomOrders(seed), model.to_rules(), cash=CASH)
    assert result.cash.min() >= 0
    assert result.positions.min() >= 0


@FEW
@given(SEEDS, MODELS, PROTECTIONS)
def test_entries_are_whole_lots(seed: int, model: FillModel, protection: Protection) -> None:
    held: dict[str, float] = {}
    for row in run_both(seed, model, protection)[0].journal.iter_rows(named=True):
        before = held.get(row["symbol"], 0.0)
        held[row["symbol"]] = after = before + row["shares"]
        if row["reason"] != "split" and after != 0:
            # Only what a split made odd is sold odd, and whole.
            assert row["shares"] % model.lot == 0


@FEW
@given(SEEDS, MODELS, PROTECTIONS, st.integers(1, 58))
def test_later_bars_change_no_fill(seed: int, model: FillModel, protection: Protection, cut: int) -> None:
    panel = random_panel(seed)
    targets, part = random_targets(seed, panel), panel.until(min(cut, panel.shape[0] - 1))
    bars = part.shape[0]
    whole = run_targets(panel, targets, model, cash=CASH, protection=protection)
    early = run_targets(part, targets[:bars], model, cash=CASH, protection=protection)
    assert early.journal.rows() == whole.journal.filter(pl.col("bar") < bars).rows()
    assert early.equity.tobytes() == whole.equity[:bars].tobytes()


@FEW
@given(SEEDS, MODELS, st.integers(1, 58))
def test_later_bars_change_no_fill_of_an_order(seed: int, model: FillModel, cut: int) -> None:
    panel, model = random_panel(seed), model.filled(lot=100)
    part = panel.until(min(cut, panel.shape[0] - 1))
    whole = run_bars(panel, RandomOrders(seed), model.to_rules(), cash=CASH)
    early = run_bars(part, RandomOrders(seed), model.to_rules(), cash=CASH)
    assert early.journal.rows() == whole.journal.filter(pl.col("bar") < part.shape[0]).rows()


@FEW
@given(SEEDS, MODELS, PROTECTIONS)
def test_the_order_of_symbols_does_not_matter_when_cash_is_ample(
    seed: int, model: FillModel, protection: Protection
) -> None:
    frame, listings = random_frame(seed), random_listings(seed)
    names = sorted(frame["symbol"].unique())
    turned = dict(zip(names, reversed(names), strict=True))
    other = Panel.of(
        frame.with_columns(pl.col("symbol").replace_strict(turned)), Interval.D1, _renamed(listings, turned)
    )
    panel = Panel.of(frame, Interval.D1, listings)
    targets = random_targets(seed, panel) * 0.01
    model = model.filled(size_at="decision", borrow_rate=0.0, tax_rate=0.0)
    found = [
        run_targets(p, t, model, cash=1e12, protection=protection).journal
        for p, t in ((panel, targets), (other, targets[:, ::-1]))
    ]
    back = found[1].with_columns(pl.col("symbol").replace_strict(turned, return_dtype=pl.String()))
    key = ["bar", "symbol", "reason", "shares", "price"]
    assert found[0].select(key).sort(key).rows() == back.select(key).sort(key).rows()


def _renamed(listings: Any, turned: dict[str, str]) -> Any:
    frames = {
        name: getattr(listings, name).with_columns(pl.col("symbol").replace_strict(turned, return_dtype=pl.String()))
        for name in ("splits", "dividends")
    }
    ends = {turned[symbol]: end for symbol, end in listings.delisted.items()}
    return type(listings)(
        **frames,
        delisted=ends,
        topix500=[turned[s] for s in listings.topix500],
        topix100=[turned[s] for s in listings.topix100],
    )


def test_random_panels_have_every_reason() -> None:
    seen: set[str] = set()
    model = FillModel(allows_short=True, volume_cap=1.0)
    for seed in range(60):
        result = run_both(seed, model, Protection(stop_loss=0.05, take_profit=0.05))[0]
        seen |= set(result.journal["reason"].cast(pl.String()).to_list())
    assert seen >= {"order", "stop_loss", "take_profit", "delisted", "dividend", "split", "borrow"}
