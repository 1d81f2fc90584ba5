"""The performance of a portfolio: flows, contributions that add up, days without a value, and what stands for TOPIX."""

import math
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from itertools import count
from pathlib import Path

import pytest

from kaboom.bars.actions.store import ActionStore
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.bars.store import BarStore
from kaboom.market.action import Split
from kaboom.portfolio.entry import Entry, EntryKind, Order, make_movement, make_trade, number_entries
from kaboom.portfolio.history import equity_history
from kaboom.portfolio.performance import Benchmark, measure
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.fixtures.portfolio.client import Account
from tests.market.test_performance import ANSWERS

pytestmark = pytest.mark.anyio
FIRST = date(2024, 1, 1)
IDS = count()
TUESDAY, WEDNESDAY, THURSDAY = date(2025, 11, 4), date(2025, 11, 5), date(2025, 11, 6)


def day(n: int) -> date:
    return FIRST + timedelta(days=n)


def trade(n: int, kind: EntryKind, symbol: str, quantity: int, price: str) -> Entry:
    return make_trade(f"{next(IDS)}", day(n), kind, Order(symbol, quantity, Decimal(price), Decimal(50)))


def cash(n: int, kind: EntryKind, amount: int, symbol: str = "") -> Entry:
    return make_movement(f"{next(IDS)}", day(n), kind, Decimal(amount), symbol=symbol)


def closes_of(name: str) -> dict[date, Decimal]:
    return {day(n): round(100 * Decimal(str(close)), 4) for n, close in enumerate(ANSWERS["closes"][name])}


ENTRIES = number_entries(
    [
        cash(0, EntryKind.DEPOSIT, 5_000_000),
        trade(0, EntryKind.BUY, "1111", 100, "9000"),
        trade(40, EntryKind.BUY, "2222", 300, "2500"),
        cash(90, EntryKind.DEPOSIT, 1_000_000),
        trade(120, EntryKind.SELL, "1111", 100, "9500"),
        cash(200, EntryKind.DIVIDEND, 12_345, "2222"),
        cash(250, EntryKind.WITHDRAWAL, 700_000),
        cash(300, EntryKind.TAX, 8_000),
    ],
    after=0,
)
CLOSES = {"1111": closes_of("IBM"), "2222": closes_of("MSFT")}


def test_contributions_add_up_to_the_time_weighted_return_and_gains_to_the_profit() -> None:
    days = list(equity_history(ENTRIES, [Split("2222", day(150), Fraction(2))], CLOSES, [day(n) for n in range(400)]))
    found = measure(days, is_whole=True)
    assert sum(each.share for each in found.contributions) == pytest.approx(found.time_weighted, abs=1e-12)
    last = days[-1]
    assert last.equity is not None
    assert sum(each.gain for each in found.contributions) == last.equity - last.net_deposits
    assert {each.symbol for each in found.contributions} == {"1111", "2222", ""}
    later = measure(days[100:], is_whole=False)
    assert sum(each.share for each in later.contributions) == pytest.approx(later.time_weighted, abs=1e-12)
    assert (1 + measure(days[:101], is_whole=True).time_weighted) * (1 + later.time_weighted) == pytest.approx(
        1 + found.time_weighted
    )


def test_a_withdrawal_takes_no_part_of_a_gain_from_its_symbol() -> None:
    entries = number_entries(
        [
            cash(0, EntryKind.DEPOSIT, 1_000_050),
            trade(0, EntryKind.BUY, "1111", 100, "5000"),
            cash(1, EntryKind.WITHDRAWAL, 400_000),
        ],
        after=0,
    )
    closes = {"1111": {day(0): Decimal(5000), day(1): Decimal(5500)}}
    history = list(equity_history(entries, [], closes, [day(0), day(1)]))
    [found] = measure(history, is_whole=False).contributions
    assert (found.symbol, found.gain) == ("1111", Decimal(50_000))
    assert found.share == pytest.approx(0.05)


def test_what_was_sold_has_its_gain_without_a_close_and_what_is_held_has_none() -> None:
    entries = number_entries(
        [
            cash(0, EntryKind.DEPOSIT, 2_000_000),
            trade(0, EntryKind.BUY, "1111", 100, "5000"),
            trade(0, EntryKind.BUY, "2222", 100, "5000"),
            trade(1, EntryKind.SELL, "1111", 100, "5500"),
        ],
        after=0,
    )
    bought, sold = equity_history(entries, [], {}, [day(0), day(1)])
    assert (bought.gains, sold.gains) == ({}, {"1111": Decimal(50_000) - 2 * 50})


def test_deposits_do_not_change_the_time_weighted_return() -> None:
    def measured(*more: Entry) -> float:
        bought = [cash(0, EntryKind.DEPOSIT, 1_000_000), trade(0, EntryKind.BUY, "1111", 100, "9999.5")]
        entries = number_entries([*bought, *more], after=0)
        days = list(equity_history(entries, [], {"1111": dict.fromkeys([day(0)], Decimal("9999.5"))}, [day(0), day(9)]))
        return measure(days, is_whole=True).time_weighted

    assert measured() == pytest.approx(-0.00005)
    assert measured(cash(9, EntryKind.DEPOSIT, 900_000)) == pytest.approx(measured())


def test_the_money_weighted_return_of_a_year_without_flows_is_its_gain() -> None:
    entries = number_entries(
        [cash(0, EntryKind.DEPOSIT, 1_000_000), trade(0, EntryKind.BUY, "1111", 100, "5000")], after=0
    )
    closes = {"1111": {day(0): Decimal(5000), day(365): Decimal(5500)}}
    found = measure(list(equity_history(entries, [], closes, [day(0), day(365)])), is_whole=True)
    assert found.money_weighted == pytest.approx(1_049_950 / 999_950 - 1, rel=0.01)


def test_days_without_a_value_are_left_out_and_their_flows_count_later() -> None:
    entries = number_entries(
        [cash(0, EntryKind.DEPOSIT, 1_000_000), trade(1, EntryKind.BUY, "1111", 100, "5000")], after=0
    )
    closes = {"1111": {day(3): Decimal(5500)}}
    found = measure(list(equity_history(entries, [], closes, [day(n) for n in range(5)])), is_whole=True)
    assert [each.day for each in found.days] == [day(0), day(3), day(4)]
    assert found.time_weighted == pytest.approx(0.04995)
    assert math.isnan(found.money_weighted)
    assert measure([], is_whole=True).days == ()


def test_a_benchmark_that_begins_later_is_compared_from_its_first_close_on() -> None:
    days = list(equity_history(ENTRIES, [], CLOSES, [day(n) for n in range(4)]))
    found = measure(days, is_whole=True, benchmark=Benchmark("^0000", {day(1): Decimal(100), day(3): Decimal(110)}))
    assert [each.benchmark for each in found.days] == [None, 1.0, 1.0, 1.1]
    assert found.benchmark_return == pytest.approx(0.1)
    before = Benchmark("^0000", {day(-3): Decimal(100), day(0): Decimal(120)})
    assert measure(days, is_whole=True, benchmark=before).benchmark_return == pytest.approx(0.2)
    assert measure(days, is_whole=False, benchmark=before).benchmark_return == pytest.approx(0.0)


@pytest.fixture
def bars(tmp_path: Path, account: Account) -> BarStore:
    """The bars of the API."""
    return build_bar_store(memory_settings(tmp_path, bar_store="pages"))


@pytest.fixture
def actions(tmp_path: Path, account: Account) -> ActionStore:
    """The corporate actions of the API."""
    return build_action_store(memory_settings(tmp_path, bar_store="pages"))


async def test_the_index_stands_for_topix_if_it_has_bars_and_else_a_fund_adjusted_for_its_split(
    account: Account, bars: BarStore, actions: ActionStore
) -> None:
    empty = await account.get("/performance")
    assert (empty["first"], empty["items"], empty["time_weighted"]) == (None, [], None)
    await account.deposit("1000000")
    await account.trade("buy", 100, "3000")
    await bars.write(DAILY, frame(*(bar("7203", at(each), 3000.0) for each in (TUESDAY, WEDNESDAY, THURSDAY))))
    assert (await account.get("/performance"))["benchmark"] is None
    fund = ((TUESDAY, 2000.0), (WEDNESDAY, 1000.0), (THURSDAY, 1100.0))
    await bars.write(DAILY, frame(*(bar("1305", at(each), close) for each, close in fund)))
    await actions.save("synthetic", note("1305", WEDNESDAY, 0.5))
    found = await account.get("/performance")
    assert (found["benchmark"], found["benchmark_return"]) == ("1305", pytest.approx(0.1))
    await bars.write(DAILY, frame(bar("^0000", at(TUESDAY), 2700.0), bar("^0000", at(THURSDAY), 2727.0)))
    found = await account.get("/performance")
    assert (found["benchmark"], found["benchmark_return"]) == ("^0000", pytest.approx(0.01))
    (held,) = (await account.get("/valuation"))["items"]
    assert (held["previous"], held["change"], held["weight"]) == ("3000", "0", pytest.approx(0.3))
