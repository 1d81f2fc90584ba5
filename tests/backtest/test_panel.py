"""Panels: bars as matrices, adjusted by what was known, and sessions with a lunch break."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from kaboom.backtest.context import Context
from kaboom.backtest.engine.arrays import Floats
from kaboom.backtest.model import FillModel
from kaboom.backtest.panel import Listings, Panel
from kaboom.backtest.protection import NO_PROTECTION
from kaboom.backtest.run import run_bars, run_targets, run_weights
from kaboom.backtest.sweep import run_sweep
from kaboom.errors import InvalidRequest
from kaboom.market.bar import BAR_SCHEMA, empty_bars
from kaboom.market.calendar import grid
from kaboom.market.interval import Interval
from tests.fixtures.backtest.panels import RANDOM_FIRST, bar_frame, flat, random_frame, random_panel, splits

DAY = date(2025, 1, 6)


def session(day: date) -> pl.DataFrame:
    """Return the 1m bars of a session: its minute's number as the price."""
    stamps = grid(day, Interval.M1)
    rows = [
        ("7203", datetime.fromtimestamp(s, UTC), *flat(1000.0 + n), 10_000, 0)  # type: ignore[misc]
        for n, s in enumerate(stamps)
    ]
    return pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row")


def test_an_order_before_lunch_waits_for_the_afternoon() -> None:
    panel = Panel.of(session(DAY), Interval.M1)
    last_of_morning = next(n for n in range(panel.shape[0]) if f"{panel.closed_at(n):%H:%M}" == "02:31")
    targets = np.full(panel.shape, np.nan)
    targets[last_of_morning] = 0.5
    result = run_targets(panel, targets, FillModel(has_limits=False), cash=1e7)
    at = result.journal["at"][0]
    assert (at.hour, at.minute) == (3, 30)


def test_returns_are_those_of_sessions() -> None:
    panel = Panel.of(pl.concat([session(DAY), session(DAY + timedelta(days=1))]), Interval.M1)
    result = run_targets(panel, np.full(panel.shape, np.nan), FillModel(), cash=1e6)
    assert result.returns.size == 2
    assert result.panel.session_ends.tolist() == [326, 653]


def test_the_order_of_rows_does_not_matter() -> None:
    frame = random_frame(2)
    one, other = Panel.of(frame, Interval.D1), Panel.of(frame.sample(fraction=1.0, shuffle=True, seed=1), Interval.D1)
    assert one.symbols == other.symbols
    np.testing.assert_array_equal(one.prices, other.prices)


@pytest.mark.parametrize("bar", [0, 1, 20, 58])
def test_a_panel_that_is_cut_is_that_of_the_bars_until_then(bar: int) -> None:
    frame, known = random_frame(6), Listings(splits=splits(("1301", 20, 0.5), ("1302", 21, 2.0), first=RANDOM_FIRST))
    whole = Panel.of(frame, Interval.D1, known)
    until = datetime.fromtimestamp(int(whole.opened_at[bar]), UTC)
    part = Panel.of(frame.filter(pl.col("opened_at") <= until), Interval.D1, known)
    cut = whole.until(bar)
    if part.symbols == cut.symbols:
        np.testing.assert_array_equal(part.prices, cut.prices)
        np.testing.assert_array_equal(part.scale, cut.scale)
        np.testing.assert_array_equal(part.limits, cut.limits)
        assert [x.tolist() for x in part.ex_sessions] == [x.tolist() for x in cut.ex_sessions]
    np.testing.assert_array_equal(cut.prices, whole.prices[:, : bar + 1])


def test_the_last_close_is_carried_and_split() -> None:
    frame = bar_frame({"1301": [flat(5)] * 4, "7203": [flat(100), None, None, flat(52)]})
    panel = Panel.of(frame, Interval.D1, Listings(splits=splits(("7203", 2, 0.5))))
    assert panel.prices[5][:, 1].tolist() == [100, 100, 50, 52]
    assert panel.adjusted("close")[:, 1].tolist()[0::3] == [100, 104]


def test_limits_are_those_of_the_close_before() -> None:
    panel = Panel.of(bar_frame({"7203": [flat(690), flat(710)]}), Interval.D1)
    assert panel.limits[:, 1, 0].tolist() == [590, 790]
    assert np.isnan(panel.limits[:, 0, 0]).all()


def test_a_minute_beyond_the_limit_widens_it_for_its_whole_session() -> None:
    """A close of 690 yen allows 590 to 790."""
    moments = [datetime(2025, 1, 6 + day, hour, tzinfo=UTC) for day in (0, 1, 2) for hour in (0, 1)]
    prices = [(690, 690), (690, 690), (700, 705), (795, 800), (800, 800), (905, 905)]
    rows = [("7203", at, low, high, low, high, 100, 0) for at, (low, high) in zip(moments, prices, strict=True)]
    panel = Panel.of(pl.DataFrame(rows, schema=BAR_SCHEMA, orient="row"), Interval.M1)
    lower, upper = panel.limits[:, 2:, 0].tolist()
    assert lower == [590, 590, 650, 650]
    np.testing.assert_array_equal(upper, [np.nan, np.nan, 950, 950])


class Forger:
    """A strategy of either kind that writes to an array of its panel."""

    protection = NO_PROTECTION

    def __init__(self, pick: Callable[[Panel], NDArray[Any]]) -> None:
        self._pick = pick

    def targets(self, panel: Panel) -> Floats:
        self._pick(panel)[...] = 1
        return np.full(panel.shape, 0.5)

    def prepare(self, panel: Panel) -> None:
        self._pick(panel)[...] = 1

    def on_bar(self, context: Context) -> None:
        context.target("7203", 0.5)


@pytest.mark.parametrize(
    "pick",
    [
        lambda panel: panel.prices,
        lambda panel: panel.scale,
        lambda panel: panel.days,
        lambda panel: panel.opened_at,
        lambda panel: panel.adjusted("close"),
        lambda panel: panel.issues.delisted,
    ],
)
def test_a_strategy_cannot_change_the_bars_that_it_is_tested_on(pick: Callable[[Panel], NDArray[Any]]) -> None:
    panel = Panel.of(bar_frame({"7203": [flat(690), flat(710)]}), Interval.D1)
    before = panel.prices.copy()
    for run in (
        lambda: run_weights(panel, Forger(pick), FillModel(), cash=1e7),
        lambda: run_bars(panel, Forger(pick), FillModel().to_rules(), 1e7),
        lambda: run_sweep(panel, [Forger(pick)], FillModel(), cash=1e7),
    ):
        with pytest.raises(ValueError, match="read-only"):
            run()
    np.testing.assert_array_equal(panel.prices, before)


def test_bars_that_cannot_be_are_refused() -> None:
    with pytest.raises(InvalidRequest, match="no bars"):
        Panel.of(empty_bars(), Interval.D1)
    frame = bar_frame({"7203": [flat(100)]})
    with pytest.raises(InvalidRequest, match="two bars of one time"):
        Panel.of(pl.concat([frame, frame]), Interval.D1)
    with pytest.raises(InvalidRequest, match="0 or less"):
        Panel.of(bar_frame({"7203": [flat(0)]}), Interval.D1)
    with pytest.raises(InvalidRequest, match="not in the panel"):
        random_panel(1).column_of("9999")
