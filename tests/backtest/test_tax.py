"""The tax of a year: withheld on gains, paid back on losses, by the year of settlement, the same in both engines."""

from collections import defaultdict
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.backtest.engine.rules import TAX_RATE
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.panel import Delisting, Listings, Panel
from kaboom.backtest.report.conventions import describe_costs, describe_tax
from kaboom.backtest.result import Result
from kaboom.backtest.run import new_sim, run_targets
from kaboom.errors import InvalidRequest
from kaboom.market.calendar import settles_on
from tests.backtest.test_fills import play, rows, run_both
from tests.fixtures.backtest.panels import (
    FIRST,
    dividends,
    flat,
    panel_of,
    random_panel,
    random_targets,
    splits,
)

S = "7203"
TAXED = FillModel(
    lot=1, volume_cap=0.0, borrow_rate=0.0, has_limits=False, fees=Fees(), slippage=Slippage(), tax_rate=0.2
)


def run(panel: Panel, *weights: float, model: FillModel = TAXED, cash: float = 1e6) -> Result:
    targets = np.full(panel.shape, np.nan)
    targets[: len(weights), 0] = weights
    return run_both(panel, targets, model, cash)


def taxes(result: Result) -> list[tuple[object, ...]]:
    return [row for row in rows(result, "bar", "reason", "amount") if row[1] == "tax"]


def starting(panel: Panel, first: date) -> Panel:
    """Return a panel whose first bar is on another day."""
    return replace(panel, days=panel.days + (first - FIRST).days)


def test_a_gain_is_taxed_and_a_later_loss_pays_it_back_as_far_as_it_was_paid() -> None:
    # 1,000 shares each time: +100,000, then -60,000, then -120,000 yen.
    panel = panel_of(*map(flat, (100, 100, 200, 200, 140, 140, 20)))
    calls = {n: (lambda c: c.buy(S, 1000)) if n % 2 == 0 else (lambda c: c.sell(S, 1000)) for n in range(6)}
    result = play(panel, calls, TAXED)
    assert taxes(result) == [(2, "tax", -20_000), (4, "tax", 12_000), (6, "tax", 8_000)]
    assert result.taxes == 0
    assert result.equity[-1] == 1_000_000 + 100_000 - 60_000 - 120_000
    assert result.equity[2] == 1_000_000 + 100_000 - 20_000


def test_fees_of_both_fills_lower_the_gain_and_the_tax_is_whole_yen() -> None:
    panel = panel_of(*map(flat, (100, 100, 200, 200)))
    model = TAXED.filled(fees={"fixed": 7}, tax_rate=TAX_RATE)
    result = play(panel, {0: lambda c: c.buy(S, 1000), 1: lambda c: c.sell(S, 1000)}, model)
    assert taxes(result) == [(2, "tax", -int((100_000 - 14) * 0.20315))]


def test_a_part_of_a_position_costs_its_mean_and_each_partial_fill_is_taxed() -> None:
    panel = panel_of(*map(flat, (100, 100, 300, 300, 400)), volume=3000)
    calls = {0: lambda c: c.buy(S, 300), 1: lambda c: c.buy(S, 300), 2: lambda c: c.sell(S, 600)}
    result = play(panel, calls, TAXED.filled(volume_cap=0.1))
    assert rows(result, "bar", "shares", "reason", "amount")[2:] == [
        (3, -300, "order", 90_000),
        (3, 0, "tax", -0.2 * 300 * 100),
        (4, -300, "order", 120_000),
        (4, 0, "tax", -0.2 * 300 * 200),
    ]


@pytest.mark.parametrize(("first", "paid_back"), [(date(2024, 12, 23), 5000), (date(2024, 12, 24), None)])
def test_a_year_ends_with_its_last_settlement(first: date, paid_back: float | None) -> None:
    # A trade of 2024-12-26 is settled on 12-30, one of 12-27 on 2025-01-06.
    panel = starting(panel_of(*map(flat, (100, 100, 200, 50))), first)
    calls = {0: lambda c: c.buy(S, 1000), 1: lambda c: c.sell(S, 500), 2: lambda c: c.sell(S, 500)}
    found = taxes(play(panel, calls, TAXED))
    assert found == [(2, "tax", -10_000), *([(3, "tax", paid_back)] if paid_back else [])]


def test_trades_are_settled_two_sessions_later_and_three_before_2019() -> None:
    assert [settles_on(date(2019, 7, day)).day for day in (11, 12, 16, 17)] == [17, 18, 18, 19]
    assert settles_on(date(2024, 12, 26)) == date(2024, 12, 30)
    assert settles_on(date(2024, 12, 27)) == date(2025, 1, 6)


def test_dividends_and_what_short_positions_cost_are_part_of_the_year() -> None:
    listings = Listings(dividends=dividends((S, 2, 7.0)))
    panel = panel_of(*[flat(100)] * 4, listings=listings)
    assert taxes(run(panel, 0.1)) == [(2, "tax", -0.2 * 7000)]
    model = TAXED.filled(allows_short=True, borrow_rate=0.365)
    # 100 yen a night of 100,000 yen; the dividend is paid by the holder of the short position.
    short = run(panel_of(flat(100), flat(100), flat(80), flat(80), listings=listings), -0.1, np.nan, 0.0, model=model)
    assert rows(short, "bar", "reason", "amount")[1:] == [
        (2, "borrow", -100),
        (2, "dividend", -7000),
        (3, "borrow", -80),
        (3, "order", -80_000),
        (3, "tax", -0.2 * (20_000 - 7180)),
    ]


@pytest.mark.parametrize(("payout", "found"), [(0.0, []), (None, []), (150.0, [(2, "tax", -0.2 * 50_000)])])
def test_a_delisting_is_a_sale(payout: float | None, found: list[Any]) -> None:
    ends = {S: Delisting(FIRST + timedelta(days=2), payout)}
    panel = panel_of(*map(flat, (100, 100, 90, 90)), listings=Listings(delisted=ends))
    assert taxes(run(panel, 0.1)) == found


def test_the_fraction_of_a_split_is_a_sale_and_the_rest_keeps_its_cost() -> None:
    # 1,005 shares at 100 yen become 100 at 1,000, and half a share is paid at the last close.
    listings = Listings(splits=splits((S, 2, 10.0)))
    calls = {0: lambda c: c.buy(S, 1005), 2: lambda c: c.close(S)}
    even = play(panel_of(*map(flat, (100, 100, 1500, 1500)), listings=listings), calls, TAXED)
    assert taxes(even) == [(3, "tax", -0.2 * 100 * 500)]
    # At 150 yen half a share brings 750 yen, of which 250 are a gain.
    dear = panel_of(*[flat(100), (100, 150, 100, 150), *map(flat, (1000, 1000))], listings=listings)
    assert taxes(play(dear, calls, TAXED)) == [(2, "tax", -0.2 * 250)]


def test_a_ruin_pays_back_what_its_loss_makes_too_much() -> None:
    panel = panel_of(*map(flat, (100, 100, 200, 200, 900)))
    model = TAXED.filled(allows_short=True)
    result = run(panel, 0.5, 0.0, -0.5, model=model, cash=100_000)
    assert result.is_ruined
    assert result.taxes == 0


def test_no_tax_is_no_row() -> None:
    panel = panel_of(*map(flat, (100, 100, 200, 200)))
    assert taxes(run(panel, 0.5, 0.0, model=TAXED.filled(tax_rate=0.0))) == []
    assert taxes(run(panel_of(*[flat(100)] * 4), 0.5, 0.0)) == []


@pytest.mark.parametrize("rate", [-0.1, 1, float("nan"), float("inf"), "x"])
def test_a_rate_that_is_none_is_refused(rate: object) -> None:
    with pytest.raises(InvalidRequest, match="tax_rate"):
        FillModel.parse({"tax_rate": rate})


def test_a_huge_gain_is_taxed_to_the_yen() -> None:
    panel = panel_of(*map(flat, (100, 100, 1e7, 1e7)))
    result = run(panel, 1.0, 0.0, cash=1e15)
    assert result.taxes == pytest.approx(0.2 * (1e20 - 1e15))


def test_every_result_says_its_tax() -> None:
    english, japanese = describe_costs({"model": {"tax_rate": TAX_RATE}})
    assert "A tax of 20.315% is withheld on gains and dividends and paid back on losses" in english
    assert "20.315%" in japanese
    assert "tax" not in describe_costs({})[0].lower()
    assert describe_tax(FillModel())[0] == "Taxes are not considered."


def expect(result: Result, rate: float) -> None:
    """Compare the tax of each bar with the incomes of its year, from the other rows of the journal alone."""
    held: dict[str, float] = defaultdict(float)
    cost: dict[str, float] = defaultdict(float)
    income: dict[int, float] = defaultdict(float)
    withheld: dict[int, float] = defaultdict(float)
    for row in result.journal.iter_rows(named=True):
        name, shares, amount = row["symbol"], row["shares"], row["amount"]
        day = date(1970, 1, 1) + timedelta(days=int(result.panel.days[row["bar"]]))
        year = 2024 if day <= date(2024, 12, 26) else 2025
        before = held[name]
        held[name] += shares
        if row["reason"] == "tax":
            withheld[year] -= amount
            assert withheld[year] == pytest.approx(np.floor(max(income[year], 0) * rate), abs=1)
        elif row["reason"] in ("dividend", "borrow"):
            income[year] += amount
        elif row["reason"] in ("split", "squeezed_out"):
            rest = abs(amount) / row["price"]
            part = 1.0 if row["reason"] == "squeezed_out" else rest / (abs(held[name]) + rest)
            income[year] += amount + cost[name] * part
            cost[name] *= 1 - part
        elif before * shares >= 0:
            cost[name] += amount
        else:
            part = abs(shares / before)
            income[year] += amount + cost[name] * part
            cost[name] *= 1 - part
    for year, total in income.items():
        assert withheld[year] == pytest.approx(np.floor(max(total, 0) * rate), abs=1)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.booleans(), st.sampled_from([0.0, 0.25]), st.sampled_from(["sbi-zero", "matsui-box"]))
def test_the_tax_is_that_of_the_incomes_of_each_year(seed: int, short: bool, cap: float, table: Any) -> None:  # noqa: FBT001
    panel = starting(random_panel(seed), date(2024, 12, 1))
    model = FillModel(lot=1, volume_cap=cap, allows_short=short, fees=Fees(table=table), tax_rate=TAX_RATE)
    targets = random_targets(seed, panel)
    result = run_both(panel, targets, model, 1e6)
    expect(result, TAX_RATE)
    free = run_targets(panel, targets, model.filled(tax_rate=0.0), cash=1e6, engine="numba")
    assert free.taxes == 0


def test_each_run_of_a_sweep_begins_its_own_year() -> None:
    from kaboom.backtest.engine.kernel import sweep_compiled  # noqa: PLC0415 (numba is slow to import)

    panel = starting(random_panel(7), date(2024, 12, 1))
    model = TAXED.filled(fees={"table": "matsui-box"})
    targets = random_targets(7, panel)
    alone = run_targets(panel, targets, model, cash=1e6, engine="python")
    found = sweep_compiled(new_sim(panel, model.to_rules(), 1e6, capacity=0), np.stack([targets] * 3))
    assert alone.taxes != 0
    assert found[:, 0].tolist() == [alone.equity[-1]] * 3
