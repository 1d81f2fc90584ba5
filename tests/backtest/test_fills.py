"""The conventions of docs/explanation/backtests.md, one by one."""

import math
from collections.abc import Callable, Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl
import pytest

from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.model import Fees, FillModel, Slippage
from kaboom.backtest.panel import Delisting, Listings, Panel
from kaboom.backtest.protection import Protection
from kaboom.backtest.result import Result
from kaboom.backtest.run import run_bars, run_targets
from kaboom.errors import InvalidRequest
from kaboom.market.interval import Interval
from tests.fixtures.backtest.panels import FIRST, bar_frame, dividends, flat, panel_of, splits

PLAIN = FillModel(volume_cap=0.0, borrow_rate=0.0, has_limits=False, fees=Fees(), slippage=Slippage())
S = "7203"
NAN = math.nan


class Script:
    """Calls one function for each bar that has one."""

    def __init__(self, calls: Mapping[int, Callable[[Context], object]]) -> None:
        self._calls = calls

    def prepare(self, panel: Panel) -> None:
        pass

    def on_bar(self, context: Context) -> None:
        if call := self._calls.get(context.bar):
            call(context)


def play(
    panel: Panel, calls: Mapping[int, Callable[[Context], object]], model: FillModel = PLAIN, cash: float = 1e6
) -> Result:
    return run_bars(panel, Script(calls), model.to_rules(), cash=cash)


def weigh(panel: Panel, *weights: float, model: FillModel = PLAIN, cash: float = 1e6, **protection: float) -> Result:
    """Run the weights of the first symbol by both engines, which agree."""
    targets = np.full(panel.shape, NAN)
    targets[: len(weights), 0] = weights
    return run_both(panel, targets, model, cash, **protection)


def run_both(panel: Panel, targets: Floats, model: FillModel, cash: float, **protection: float) -> Result:
    found = [
        run_targets(panel, targets, model, cash=cash, protection=Protection(**protection), engine=engine)
        for engine in ("numba", "python")
    ]
    assert found[0].journal.rows() == found[1].journal.rows()
    return found[0]


def rows(result: Result, *names: str) -> list[tuple[object, ...]]:
    return result.journal.select(*(names or ("bar", "shares", "price"))).rows()


def test_an_order_is_filled_at_the_next_open() -> None:
    panel = panel_of((100, 110, 90, 105), (107, 120, 95, 111), flat(111))
    assert rows(play(panel, {0: lambda c: c.buy(S, 200)})) == [(1, 200, 107)]


def test_an_order_of_the_last_bar_is_not_filled() -> None:
    panel = panel_of(flat(100), flat(100))
    assert rows(play(panel, {1: lambda c: c.buy(S, 100)})) == []


def test_exits_come_before_entries_so_that_their_cash_counts() -> None:
    panel = Panel.of(bar_frame({"1301": [flat(100)] * 4, "7203": [flat(100)] * 4}), Interval.D1)
    targets = np.full(panel.shape, NAN)
    targets[0], targets[2] = [0.0, 1.0], [1.0, 0.0]
    result = run_targets(panel, targets, PLAIN, cash=100_000)
    assert rows(result, "bar", "symbol", "shares") == [(1, "7203", 1000), (3, "7203", -1000), (3, "1301", 1000)]


def test_weights_are_sized_by_the_close_of_the_decision_and_cut_to_cash() -> None:
    panel = panel_of(flat(100), flat(125))
    assert rows(weigh(panel, 1.0, cash=100_000)) == [(1, 800, 125)]
    assert rows(weigh(panel, 0.5, cash=100_000)) == [(1, 500, 125)]
    assert rows(weigh(panel, 0.5, cash=100_000, model=PLAIN.filled(size_at="fill"))) == [(1, 400, 125)]
    # 50,000 yen at 125.9 yen and a fee of 1 % a share.
    single = PLAIN.filled(size_at="fill", lot=1, fees={"rate": 0.01})
    assert rows(weigh(panel_of(flat(100), flat(125.9)), 0.5, cash=100_000, model=single)) == [(1, 393, 125.9)]


def test_what_cash_does_not_pay_is_cancelled() -> None:
    result = play(panel_of(*[flat(100)] * 5), {0: lambda c: c.buy(S, 2000)}, cash=150_000)
    assert rows(result) == [(1, 1500, 100)]


@pytest.mark.parametrize(
    ("bar", "price"),
    [((105, 106, 99, 100), 100), ((98, 103, 97, 100), 98), ((105, 106, 100, 104), None), ((105, 106, 101, 104), None)],
)
def test_a_limit_buy_needs_a_price_through_its_limit(bar: tuple[float, ...], price: float | None) -> None:
    panel = panel_of(flat(104), bar)  # type: ignore[arg-type]
    found = rows(play(panel, {0: lambda c: c.buy(S, 100, limit=100)}), "price")
    assert found == ([] if price is None else [(price,)])


def test_a_limit_order_may_be_filled_on_touch() -> None:
    panel = panel_of(flat(104), (105, 106, 100, 104))
    model = PLAIN.filled(fills_on_touch=True)
    assert rows(play(panel, {0: lambda c: c.buy(S, 100, limit=100)}, model), "price") == [(100,)]


@pytest.mark.parametrize(
    ("bar", "price"),
    [((95, 101, 94, 100), 100), ((102, 103, 97, 100), 102), ((95, 100, 94, 96), None), ((95, 99, 94, 96), None)],
)
def test_a_limit_sale_needs_a_price_through_its_limit(bar: tuple[float, ...], price: float | None) -> None:
    panel = panel_of(flat(96), flat(96), bar)  # type: ignore[arg-type]
    found = rows(play(panel, {0: lambda c: c.buy(S, 100), 1: lambda c: c.sell(S, 100, limit=100)}), "price")
    assert found[1:] == ([] if price is None else [(price,)])


@pytest.mark.parametrize(("bar", "price"), [((100, 101, 94, 95), 95), ((93, 101, 92, 95), 93)])
def test_a_stop_sale_is_filled_at_its_price_or_at_a_worse_open(bar: tuple[float, ...], price: float) -> None:
    panel = panel_of(flat(100), flat(100), bar)  # type: ignore[arg-type]
    found = rows(play(panel, {0: lambda c: c.buy(S, 100), 1: lambda c: c.sell(S, 100, stop_at=95)}), "price")
    assert found[1:] == [(price,)]


@pytest.mark.parametrize(("bar", "price"), [((100, 106, 99, 105), 105), ((107, 109, 99, 105), 107)])
def test_a_stop_buy_is_filled_at_its_price_or_at_a_worse_open(bar: tuple[float, ...], price: float) -> None:
    panel = panel_of(flat(100), bar)  # type: ignore[arg-type]
    assert rows(play(panel, {0: lambda c: c.buy(S, 100, stop_at=105)}), "price") == [(price,)]


def test_a_limit_order_waits_until_it_is_cancelled() -> None:
    panel = panel_of(*[flat(104)] * 5, flat(95))
    assert rows(play(panel, {0: lambda c: c.buy(S, 100, limit=100)}), "bar") == [(5,)]
    calls = {0: lambda c: c.buy(S, 100, limit=100), 3: lambda c: c.cancel(c.orders[0])}
    assert rows(play(panel, calls)) == []


@pytest.mark.parametrize(
    ("bar", "price", "reason"),
    [
        ((100, 102, 94, 96), 95, "stop_loss"),
        ((90, 102, 89, 96), 90, "stop_loss"),
        ((100, 111, 99, 109), 110, "take_profit"),
        ((112, 113, 99, 109), 112, "take_profit"),
        ((100, 111, 94, 96), 95, "stop_loss"),
        ((112, 113, 94, 96), 112, "take_profit"),
    ],
    ids=["stop", "gap through the stop", "target", "gap through the target", "both: stop first", "open beyond target"],
)
def test_a_bracket_ends_a_position(bar: tuple[float, ...], price: float, reason: str) -> None:
    panel = panel_of(flat(100), flat(100), bar)  # type: ignore[arg-type]
    bracket = play(panel, {0: lambda c: c.buy(S, 100, stop=95, take=110)})
    weights = weigh(panel, 0.01, stop_loss=0.05, take_profit=0.1)
    for result in (bracket, weights):
        assert rows(result, "bar", "shares", "price", "reason")[1:] == [(2, -100, price, reason)]


def test_a_position_may_be_stopped_in_the_bar_of_its_entry() -> None:
    panel = panel_of(flat(100), (100, 101, 90, 95))
    found = rows(play(panel, {0: lambda c: c.buy(S, 100, stop=95)}), "bar", "shares", "price")
    assert found == [(1, 100, 100), (1, -100, 95)]


def test_an_entry_within_a_bar_is_protected_from_the_next_one() -> None:
    panel = panel_of(flat(100), (100, 106, 90, 95), flat(95))
    found = rows(play(panel, {0: lambda c: c.buy(S, 100, stop_at=105, stop=96)}), "bar", "price")
    assert found == [(1, 105), (2, 95)]


def test_no_buy_is_filled_while_locked_at_the_limit() -> None:
    # The limit of a base price of 100 yen is 50 yen: 150.
    panel = panel_of(flat(100), flat(150), (170, 175, 165, 170))
    model = PLAIN.filled(has_limits=True)
    assert rows(weigh(panel, 0.1, model=model)) == [(2, 1000, 170)]
    locked_down = panel_of(flat(100), flat(100), flat(50), (45, 46, 44, 45))
    assert rows(weigh(locked_down, 0.1, 0.0, model=model), "bar", "price")[1:] == [(3, 45)]


def test_a_sale_is_filled_while_locked_at_the_upper_limit() -> None:
    panel = panel_of(flat(100), flat(100), flat(150))
    assert rows(weigh(panel, 0.1, 0.0, model=PLAIN.filled(has_limits=True)), "bar", "price")[1:] == [(2, 150)]


def test_an_order_waits_for_a_bar_with_trades() -> None:
    panel = panel_of(flat(100), None, flat(102))
    assert panel.shape[0] == 2, "a day on which nobody trades is no bar of the panel"
    both = Panel.of(bar_frame({"1301": [flat(1)] * 3, S: [flat(100), None, flat(102)]}), Interval.D1)
    assert rows(play(both, {0: lambda c: c.buy(S, 100)})) == [(2, 100, 102)]


def test_a_volume_cap_fills_in_parts() -> None:
    panel = panel_of(*[flat(100)] * 5, volume=2_000)
    capped = PLAIN.filled(volume_cap=0.1)
    assert rows(play(panel, {0: lambda c: c.buy(S, 500)}, capped)) == [(1, 200, 100), (2, 200, 100), (3, 100, 100)]
    assert rows(play(panel, {0: lambda c: c.buy(S, 500)}, capped.filled(rest="cancel"))) == [(1, 200, 100)]
    assert rows(weigh(panel, 0.05, model=capped)) == [(1, 200, 100), (2, 200, 100), (3, 100, 100)]


def test_the_rest_of_a_limit_order_that_volume_cut_keeps_its_limit() -> None:
    panel = panel_of(flat(100), flat(100), flat(103), flat(100), volume=2_000)
    calls = {0: lambda c: c.buy(S, 500, limit=100)}
    assert rows(play(panel, calls, PLAIN.filled(volume_cap=0.1))) == [(1, 200, 100), (3, 200, 100)]


def test_orders_of_one_bar_share_its_volume() -> None:
    panel = panel_of(*[flat(100)] * 3, volume=2_000)
    both = {0: lambda c: (c.buy(S, 200), c.buy(S, 100))}
    assert rows(play(panel, both, PLAIN.filled(volume_cap=0.1))) == [(1, 200, 100), (2, 100, 100)]


def test_a_stop_that_volume_cuts_becomes_a_market_order() -> None:
    panel = panel_of(flat(100), flat(100), (100, 100, 90, 90), flat(92), volume=2_000)
    capped = PLAIN.filled(volume_cap=0.1)
    result = weigh(panel, 0.02, model=capped, stop_loss=0.05)
    assert rows(result, "bar", "shares", "price") == [(1, 200, 100), (2, -200, 95)]
    thin = Panel.of(
        bar_frame({S: [flat(100), flat(100), (100, 100, 90, 90), flat(92)]}).with_columns(
            volume=pl.Series([5_000, 5_000, 1_000, 5_000])
        ),
        Interval.D1,
    )
    result = weigh(thin, 0.03, model=capped, stop_loss=0.05)
    assert rows(result, "bar", "shares", "price", "reason")[1:] == [
        (2, -100, 95, "stop_loss"),
        (3, -200, 92, "stop_loss"),
    ]


@pytest.mark.parametrize(
    ("fees", "fee"),
    [
        (Fees(rate=0.001), 100),
        (Fees(rate=0.001, least=500), 500),
        (Fees(rate=0.001, most=80), 80),
        (Fees(fixed=80), 80),
        (Fees(steps=((50_000, 55), (100_000, 99), (200_000, 115))), 99),
        (Fees(steps=((50_000, 55),)), 55),
    ],
)
def test_fees(fees: Fees, fee: float) -> None:
    result = weigh(panel_of(flat(100), flat(100)), 0.1, model=PLAIN.model_copy(update={"fees": fees}))
    assert rows(result, "shares", "fee", "amount") == [(1000, fee, -100_000 - fee)]


def test_slippage_is_against_the_trader_and_on_a_tick() -> None:
    panel = panel_of(flat(4000), flat(4000), flat(4000))
    rate = PLAIN.model_copy(update={"slippage": Slippage(rate=0.0001)})
    assert rows(weigh(panel, 0.5, 0.0, model=rate), "price") == [(4005,), (3995,)]
    ticks = PLAIN.model_copy(update={"slippage": Slippage(ticks=2)})
    assert rows(weigh(panel, 0.5, 0.0, model=ticks), "price") == [(4010,), (3990,)]
    impact = PLAIN.model_copy(update={"slippage": Slippage(impact=0.3)})
    assert rows(weigh(panel, 0.5, model=impact), "price") == [(4015,)]


def test_an_order_above_the_volume_of_its_bar_has_the_impact_of_the_whole_volume() -> None:
    impact = PLAIN.model_copy(update={"slippage": Slippage(impact=0.3)})
    panel = panel_of(*[flat(100)] * 4, volume=100)
    orders = {0: lambda c: c.buy(S, 1000), 1: lambda c: c.sell(S, 1000)}
    assert rows(play(panel, orders, impact), "shares", "price") == [(1000, 130), (-1000, 70)]


def test_slippage_leaves_a_price_above_0() -> None:
    panel = panel_of(*[flat(2)] * 3, volume=100)
    worst = PLAIN.filled(slippage={"rate": 0.4, "impact": 0.49, "ticks": 5})
    assert rows(play(panel, {0: lambda c: c.buy(S, 1000), 1: lambda c: c.sell(S, 1000)}, worst), "price")[1] == (1,)


def test_slippage_stays_within_the_daily_limits() -> None:
    """The limits of a base price of 100 yen are 50 and 150."""
    model = PLAIN.filled(has_limits=True, slippage={"rate": 0.1})
    panel = panel_of(flat(100), (149, 150, 140, 149))
    assert rows(weigh(panel, 0.1, model=model), "price") == [(150,)]
    panel = panel_of(flat(100), flat(100), (51, 60, 50, 52))
    assert rows(weigh(panel, 0.1, 0.0, model=model), "price")[1:] == [(50,)]
    short = panel_of(flat(100), (51, 60, 50, 52))
    assert rows(weigh(short, -0.1, model=model.filled(allows_short=True)), "price") == [(50,)]


def test_a_price_beyond_the_limit_shows_that_another_limit_held() -> None:
    """The exchange widens the limits of issues that were locked, and only the prices say so."""
    model = PLAIN.filled(has_limits=True, allows_short=True, slippage={"rate": 0.1})
    above, below = (155, 160, 140, 149), (45, 60, 40, 49)
    assert rows(weigh(panel_of(flat(100), above), 0.1, model=model), "price") == [(171,)]
    assert rows(weigh(panel_of(flat(100), below), -0.1, model=model), "price") == [(40,)]


def test_a_session_of_one_price_beyond_the_limit_is_locked() -> None:
    """At 300 yen above a base price of 100 nobody sold who did not have to; at 20 yen nobody bought."""
    model = PLAIN.filled(has_limits=True, allows_short=True)
    above, below = panel_of(flat(100), flat(300), flat(300)), panel_of(flat(100), flat(20), flat(20))
    assert rows(weigh(above, 0.1, model=model), "bar") == [(2,)]
    assert rows(weigh(above, -0.1, model=model), "bar") == [(1,)]
    assert rows(weigh(below, -0.1, model=model), "bar") == [(2,)]
    assert rows(weigh(below, 0.1, model=model), "bar") == [(1,)]


@pytest.mark.parametrize(
    ("day", "others", "mid400", "topix100"),
    [
        ("2014-01-10", 4010, 4010, 4010),
        ("2014-01-14", 4010, 4010, 4002),
        ("2014-07-21", 4010, 4010, 4002),
        ("2014-07-22", 4010, 4010, 4001),
        ("2015-09-23", 4010, 4010, 4001),
        ("2015-09-24", 4010, 4010, 4002),
        ("2023-06-02", 4010, 4010, 4002),
        ("2023-06-05", 4010, 4002, 4002),
    ],
)
def test_ticks_are_those_of_the_day(day: str, others: float, mid400: float, topix100: float) -> None:
    """Two ticks above 4,000 yen; both engines."""
    ticks, on = PLAIN.model_copy(update={"slippage": Slippage(ticks=2)}), date.fromisoformat(day)
    classes = ((Listings(), others), (Listings(topix500=[S]), mid400), (Listings(topix500=[S], topix100=[S]), topix100))
    for listings, price in classes:
        frame = bar_frame({S: [flat(4000)] * 2}, first=on - timedelta(days=1))
        panel = Panel.of(frame, Interval.D1, listings)
        assert rows(weigh(panel, 0.5, model=ticks), "price") == [(price,)]
        assert rows(play(panel, {0: lambda c: c.buy(S, 100)}, ticks), "price") == [(price,)]


def test_a_limit_order_has_no_slippage() -> None:
    panel = panel_of(flat(104), (105, 106, 99, 100))
    model = PLAIN.model_copy(update={"slippage": Slippage(ticks=5)})
    assert rows(play(panel, {0: lambda c: c.buy(S, 100, limit=100)}, model), "price") == [(100,)]


def test_levels_are_rounded_to_ticks_against_the_trader() -> None:
    panel = panel_of(flat(4000), (4000, 4020, 3980, 4000), flat(4000))
    seen = []
    calls = {
        0: lambda c: seen.extend([c.buy(S, 100, limit=3987).level, c.buy(S, 100, stop_at=4012).level]),
        1: lambda c: seen.extend([c.sell(S, 100, limit=4012).level, c.sell(S, 100, stop_at=3987).level]),
    }
    play(panel, calls)
    assert seen == [3985, 4015, 4015, 3985]


@pytest.mark.parametrize(
    ("weight", "bar", "price", "finer"),
    [
        (0.5, (4000, 4010, 3800, 3900), 3875, 3877),
        (-0.5, (4000, 4200, 3990, 4100), 4125, 4123),
        (0.5, (4000, 4200, 3990, 4100), 4125, 4123),
        (-0.5, (4000, 4010, 3800, 3900), 3875, 3877),
    ],
    ids=["stop of a long", "stop of a short", "target of a long", "target of a short"],
)
def test_stops_and_targets_of_weights_are_rounded_to_ticks_away_from_the_entry(
    weight: float, bar: tuple[float, ...], price: float, finer: float
) -> None:
    """3.06 % from 4,000 yen are 3,877.6 and 4,122.4; the tick is 5 yen, and 1 yen of an issue of TOPIX500."""
    model, distance = PLAIN.filled(allows_short=True), {"stop_loss": 0.0306, "take_profit": 0.0306}
    for topix500, expected in (([], price), ([S], finer)):
        panel = panel_of(flat(4000), flat(4000), bar, listings=Listings(topix500=topix500))  # type: ignore[arg-type]
        result = weigh(panel, weight, model=model, cash=1e7, **distance)
        assert rows(result, "bar", "price")[1:] == [(2, expected)]


def test_the_ticks_of_a_stop_and_of_a_limit_order_are_those_of_the_day() -> None:
    """In July 2014 an issue of TOPIX100 had ticks of 0.5 yen at 4,000 yen, all others of 5 yen."""
    model, first = PLAIN.filled(allows_short=True), date(2014, 7, 22)
    frame = bar_frame({S: [flat(4000), flat(4000), (4000, 4010, 3800, 3900)]}, first=first)
    for listings, stopped, limited in ((Listings(), 3875, 3875), (Listings(topix100=[S]), 3877.5, 3876.5)):
        panel = Panel.of(frame, Interval.D1, listings)
        result = weigh(panel, 0.5, model=model, cash=1e7, stop_loss=0.0306)
        assert rows(result, "bar", "price")[1:] == [(2, stopped)]
        result = play(panel, {0: lambda c: c.buy(S, 100, limit=3876.6)}, model)
        assert rows(result, "bar", "price") == [(2, limited)]


def test_the_tick_of_a_stop_is_that_of_its_own_price() -> None:
    """2,859.5 yen is 5 % below 3,010 yen; the tick is 5 yen above 3,000 yen, and 1 yen below."""
    panel = panel_of(flat(3010), flat(3010), (3000, 3000, 2800, 2900))
    assert rows(weigh(panel, 0.5, cash=1e7, stop_loss=0.05), "price")[1:] == [(2859,)]


def test_topix500_has_finer_ticks() -> None:
    panel = panel_of(flat(4000), flat(4000), listings=Listings(topix500=[S]))
    ticks = PLAIN.model_copy(update={"slippage": Slippage(ticks=2)})
    assert rows(weigh(panel, 0.5, model=ticks), "price") == [(4002,)]


def test_short_sales_need_leave() -> None:
    panel = panel_of(*[flat(100)] * 3)
    assert rows(play(panel, {0: lambda c: c.sell(S, 100)})) == []
    assert rows(weigh(panel, -0.5)) == []
    allowed = PLAIN.filled(allows_short=True)
    assert rows(play(panel, {0: lambda c: c.sell(S, 100)}, allowed)) == [(1, -100, 100)]
    assert rows(weigh(panel, -0.5, model=allowed)) == [(1, -5000, 100)]


@pytest.mark.parametrize(("allows_short", "sold"), [(False, 500), (True, 1000)])
def test_a_negative_weight_closes_a_long_position(*, allows_short: bool, sold: int) -> None:
    model = PLAIN.filled(allows_short=allows_short)
    journal = weigh(panel_of(*[flat(100)] * 4), 0.5, NAN, -0.5, cash=100_000, model=model).journal
    assert [journal.filter(bar=bar)["shares"].sum() for bar in (1, 2, 3)] == [500, 0, -sold]


def test_a_short_position_takes_as_much_cash_as_a_long_one() -> None:
    allowed = PLAIN.filled(allows_short=True)
    assert rows(weigh(panel_of(*[flat(100)] * 3), -2.0, model=allowed, cash=100_000)) == [(1, -1000, 100)]


def test_an_enlarged_short_position_takes_as_much_cash_as_its_first_part() -> None:
    """400 shares reserve 40,000 yen beside their proceeds, so 60,000 of 100,000 are left for 600 more."""
    allowed = PLAIN.filled(allows_short=True)
    result = weigh(panel_of(*[flat(100)] * 4), -0.4, -2.0, model=allowed, cash=100_000)
    assert rows(result) == [(1, -400, 100), (2, -600, 100)]


def test_a_short_position_takes_cash_from_a_long_one() -> None:
    panel = Panel.of(bar_frame({"1301": [flat(100)] * 4, S: [flat(100)] * 4}), Interval.D1)
    targets = np.full(panel.shape, NAN)
    targets[0, 0], targets[1, 1] = -0.4, 2.0
    result = run_both(panel, targets, PLAIN.filled(allows_short=True), 100_000)
    assert rows(result, "bar", "symbol", "shares") == [(1, "1301", -400), (2, S, 600)]


def test_borrow_costs_are_charged_for_calendar_days() -> None:
    frame = bar_frame({S: [flat(100), flat(100), None, None, flat(130)]})
    panel, model = Panel.of(frame, Interval.D1), PLAIN.filled(allows_short=True, borrow_rate=0.365)
    result = weigh(panel, -0.1, model=model)
    assert rows(result, "bar", "reason", "amount")[1:] == [(2, "borrow", pytest.approx(-1000 * 100 * 0.365 * 3 / 365))]


def test_short_positions_are_called_in_before_cash_is_gone() -> None:
    panel, model = panel_of(flat(100), flat(100), flat(170), flat(172)), PLAIN.filled(allows_short=True)
    result = weigh(panel, -1.0, model=model, cash=100_000)
    assert rows(result, "bar", "shares", "price", "reason")[1:] == [(3, 1000, 172, "margin_call")]
    # A target of the same bar does not take the call back.
    again = weigh(panel, -1.0, NAN, -0.9, model=model, cash=100_000)
    assert again.journal.equals(result.journal)


def test_a_run_ends_when_short_positions_have_lost_everything() -> None:
    panel, model = panel_of(flat(100), flat(100), flat(250), flat(100)), PLAIN.filled(allows_short=True)
    result = weigh(panel, -1.0, NAN, NAN, 1.0, model=model, cash=100_000)
    assert result.is_ruined
    assert result.equity.tolist() == [100_000, 100_000, -50_000, -50_000]
    paid = weigh(panel, -0.9, model=model.filled(fees={"fixed": 300}), cash=100_000)
    assert rows(paid, "reason", "fee") == [("order", 300), ("ruin", 0)]


def test_a_reverse_split_to_less_than_a_share_ends_the_trade() -> None:
    panel = panel_of(*[flat(1000.0)] * 3, flat(200_000.0), listings=Listings(splits=splits(("7203", 3, 200.0))))
    targets = np.full(panel.shape, np.nan)
    targets[0] = 0.5
    done = run_targets(panel, targets, FillModel(fees=Fees(fixed=300), slippage=Slippage()), cash=200_000)
    (trade,) = done.trades.iter_rows(named=True)
    assert (trade["exit_reason"], trade["shares"], trade["exit_price"], trade["pnl"]) == (
        "squeezed_out",
        100,
        1000,
        -300,
    )
    assert (done.flows, done.equity[-1]) == (0, 199_700)


def test_a_split_multiplies_shares_and_pays_fractions() -> None:
    listings = Listings(splits=splits((S, 2, 1 / 1.5)))
    panel = panel_of(flat(150), flat(150), flat(100), flat(100), listings=listings)
    result = weigh(panel, 0.015, 0.015, NAN, model=PLAIN)
    assert result.positions[:, 0].tolist() == [0, 100, 150, 150]
    odd = panel_of(flat(200), flat(200), flat(180), flat(180), listings=Listings(splits=splits((S, 2, 1 / 1.111))))
    result = weigh(odd, 0.02, model=PLAIN)
    assert result.positions[2, 0] == 111
    assert rows(result, "reason", "amount")[1] == ("split", pytest.approx(0.1 * 200 / 1.111))


def test_a_short_position_pays_the_fraction_of_a_split() -> None:
    listings = Listings(splits=splits((S, 2, 1 / 1.111)))
    panel = panel_of(flat(200), flat(200), flat(180), flat(180), listings=listings)
    result = weigh(panel, -0.02, model=PLAIN.filled(allows_short=True))
    assert result.positions[2, 0] == -111
    assert rows(result, "reason", "amount")[1] == ("split", pytest.approx(-0.1 * 200 / 1.111))


def test_an_odd_lot_after_a_split_is_sold_whole() -> None:
    panel = panel_of(flat(150), flat(150), *[flat(100)] * 3, listings=Listings(splits=splits((S, 2, 1 / 1.5))))
    assert rows(weigh(panel, 0.015, NAN, NAN, 0.0), "bar", "shares")[-1] == (4, -150)


def test_a_split_moves_stops_with_the_price() -> None:
    panel = panel_of(flat(200), flat(200), flat(100), (100, 100, 90, 95), listings=Listings(splits=splits((S, 2, 0.5))))
    assert rows(weigh(panel, 0.02, stop_loss=0.05), "bar", "price")[-1] == (3, 95)


def test_the_base_price_of_the_limits_follows_a_split() -> None:
    panel = panel_of(flat(300), flat(150), flat(150), listings=Listings(splits=splits((S, 1, 0.5))))
    assert panel.limits[:, 1, 0].tolist() == [100, 200]


def test_a_dividend_is_paid_for_shares_held_before_its_ex_session() -> None:
    listings = Listings(dividends=dividends((S, 2, 7.0)))
    panel = panel_of(*[flat(100)] * 4, listings=listings)
    assert rows(weigh(panel, 0.01), "bar", "reason", "amount")[1:] == [(2, "dividend", 700)]
    assert rows(weigh(panel, NAN, 0.01), "bar", "reason") == [(2, "order")]
    short = weigh(panel, -0.01, model=PLAIN.filled(allows_short=True))
    assert rows(short, "bar", "reason", "amount")[1:] == [(2, "dividend", -700)]


@pytest.mark.parametrize(("payout", "price"), [(None, 80), (0.0, 0), (95.0, 95)])
def test_a_delisted_issue_is_paid_out_at_its_last_close(payout: float | None, price: float) -> None:
    ends = {S: Delisting(FIRST + timedelta(days=2), payout)}
    frame = bar_frame({"1301": [flat(50)] * 5, S: [flat(100), flat(100), flat(80), flat(1), flat(1)]})
    panel = Panel.of(frame, Interval.D1, Listings(delisted=ends))
    targets = np.full(panel.shape, NAN)
    targets[0, 1], targets[3, 1] = 0.1, 0.1
    for fees in ({}, {"rate": 0.001, "fixed": 300}, {"steps": [[1_000_000, 55]]}):
        result = run_both(panel, targets, PLAIN.filled(fees=fees), 1e6)
        found = rows(result, "bar", "shares", "price", "reason", "fee", "amount")
        assert found[1:] == [(2, -1000, price, "delisted", 0, 1000 * price)]


def test_prices_are_known_from_the_close_only() -> None:
    panel = panel_of(flat(100), flat(101), flat(102))
    seen: list[list[float]] = []
    play(panel, {1: lambda c: seen.append(c.history(S, "close", 10).tolist())})
    assert seen == [[100, 101]]
    assert panel.closed_at(0).isoformat() == "2025-01-06T06:30:00+00:00"


def test_history_is_adjusted_by_the_splits_so_far_alone() -> None:
    panel = panel_of(flat(200), flat(100), flat(50), listings=Listings(splits=splits((S, 1, 0.5), (S, 2, 0.5))))
    seen: list[list[float]] = []
    look = {n: lambda c: seen.append(c.history(S, "close", 3).tolist()) for n in range(3)}
    play(panel, look)
    assert seen == [[200], [100, 100], [50, 50, 50]]


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda c: c.buy(S, 150), "whole lots of 100"),
        (lambda c: c.buy(S, 0), "shares were"),
        (lambda c: c.sell(S, -100), "shares were"),
        (lambda c: c.buy(S, math.inf), "shares were"),
        (lambda c: c.buy("9999", 100), "not in the panel"),
        (lambda c: c.buy(S, 100, limit=-5), "limit was"),
        (lambda c: c.buy(S, 100, limit=100, stop_at=100), "both given"),
        (lambda c: c.buy(S, 100, price=100), "terms were price"),
        (lambda c: c.target(S, math.nan), "weight was"),
        (lambda c: c.target(S, 11), "weight was"),
    ],
)
def test_an_invalid_order_is_rejected(call: Callable[[Context], object], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        play(panel_of(*[flat(100)] * 3), {0: call})


#: At the TSE's limit of a base of 146.53 yen, 50 above, in the second bar.
LOCKED = [flat(146.53), flat(196.53), flat(150.25), flat(150.25)]
SLIPPING = FillModel(lot=1, volume_cap=0.0, fees=Fees(), slippage=Slippage(ticks=1))


def fills_of(symbol: str, **model: object) -> list[tuple[object, ...]]:
    panel = Panel.of(bar_frame({symbol: LOCKED}), Interval.D1)
    return rows(weigh(panel, 0.5, model=SLIPPING.filled(**model)), "bar", "shares", "price")


def test_the_rules_of_the_tse_are_those_of_its_symbols() -> None:
    bought = [(2, 3412, 152.0)]
    assert fills_of("7203") == fills_of("7203", has_ticks=True, has_limits=True) == bought
    assert fills_of("SPY") == [(1, 3412, 196.53)]


def test_an_option_forces_the_rules_of_the_tse_for_all_or_none() -> None:
    assert fills_of("SPY", has_ticks=True, has_limits=True) == fills_of("7203")
    assert fills_of("SPY", has_ticks=True) == [(1, 3412, 198.0)]
    assert fills_of("SPY", has_limits=True) == [(2, 3412, 150.25)]
    assert fills_of("7203", has_limits=False) == [(1, 3412, 198.0)]


def test_symbols_of_several_exchanges_have_their_own_rules_in_one_run() -> None:
    panel = Panel.of(bar_frame({S: LOCKED, "SPY": LOCKED}), Interval.D1)
    found = run_both(panel, np.full(panel.shape, 0.1), SLIPPING, 1e6).journal.filter(pl.col("shares") > 0)
    first = found.group_by("symbol", maintain_order=True).first().select("symbol", "bar", "price")
    assert sorted(first.rows()) == [(S, 2, 152.0), ("SPY", 1, 196.53)]
