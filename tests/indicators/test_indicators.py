"""What holds of indicators beyond values: rows without one, spans, columns, and the words they are asked for with."""

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.indicators.formulas import FORMULAS, compute_indicators
from kaboom.indicators.table import Indicator, IndicatorSpec, get_indicator_spec, indicator_specs, parse_indicators
from kaboom.market.interval import Interval
from tests.fixtures.bars.random_bars import random_bars

SPECS = indicator_specs()
M1, D1 = Interval.M1, Interval.D1


def by_name(spec: IndicatorSpec) -> str:
    return spec.name


def test_the_table_and_the_formulas_name_the_same_ones() -> None:
    assert set(FORMULAS) == {spec.name for spec in SPECS}


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_exactly_the_rows_of_the_lookback_have_no_value(spec: IndicatorSpec) -> None:
    indicator = Indicator(spec, spec.defaults)
    # Every row trades, else a session's first average is null, too.
    bars = random_bars(120, seed=5).with_columns(volume=pl.lit(100, pl.Int64()))
    found = compute_indicators(bars, [indicator])
    before = {name: found[name].is_null().sum() for name in indicator.columns}
    assert max(before.values()) == before[indicator.columns[0]] == spec.lookback(spec.defaults)
    assert all(not found[name][lost:].has_nulls() for name, lost in before.items())


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
@pytest.mark.parametrize("rows", [0, 1, 3])
def test_too_short_a_history_has_nulls_and_no_nan(spec: IndicatorSpec, rows: int) -> None:
    found = compute_indicators(random_bars(rows, seed=1), [Indicator(spec, spec.defaults)])
    values = found.select(found.columns[8:])
    assert found.height == rows
    assert all(not column.is_nan().any() and column.dtype == pl.Float64() for column in values.iter_columns())


@pytest.mark.parametrize("spec", [s for s in SPECS if not s.is_cumulative and not s.is_intraday], ids=by_name)
def test_rows_before_a_span_settle_what_it_holds(spec: IndicatorSpec) -> None:
    indicator, bars = Indicator(spec, spec.defaults), random_bars(2_000, seed=11)
    start = bars["opened_at"][1_900]
    whole = compute_indicators(bars, [indicator], start=start)
    part = compute_indicators(bars[1_900 - indicator.rows_before :], [indicator], start=start)
    for name in indicator.columns:
        assert not part[name].has_nulls()
        np.testing.assert_allclose(part[name].to_numpy(), whole[name].to_numpy(), rtol=1e-9, atol=1e-8)


def test_a_balance_counts_from_the_first_row_of_the_span() -> None:
    bars, (obv,) = random_bars(50, seed=2), parse_indicators(["obv"], D1)
    found = compute_indicators(bars, [obv], start=bars["opened_at"][40])
    assert found["obv"].to_list() == compute_indicators(bars[40:], [obv])["obv"].to_list()
    assert found["obv"][0] == bars["volume"][40]


@given(st.integers(0, 2**31), st.integers(1, 900))
@settings(max_examples=30, deadline=None)
def test_the_average_of_a_session_is_what_was_paid_over_what_was_traded(seed: int, rows: int) -> None:
    bars, (vwap,) = random_bars(rows, seed, step=timedelta(minutes=1)), parse_indicators(["vwap"], M1)
    paid, traded, day = 0.0, 0, None
    for row in compute_indicators(bars, [vwap]).iter_rows(named=True):
        today = (row["opened_at"] + timedelta(hours=9)).date()
        if today != day:
            paid, traded, day = 0.0, 0, today
        paid += (row["high"] + row["low"] + row["close"]) / 3 * row["volume"]
        traded += row["volume"]
        assert row["vwap"] == (pytest.approx(paid / traded, rel=1e-12) if traded else None)


def test_one_share_has_the_price_of_its_trade() -> None:
    bars, (vwap,) = random_bars(1, seed=2).with_columns(volume=pl.lit(1, pl.Int64)), parse_indicators(["vwap"], M1)
    found = compute_indicators(bars, [vwap]).row(0, named=True)
    assert found["vwap"] == pytest.approx((found["high"] + found["low"] + found["close"]) / 3)


def test_the_order_of_rows_and_of_other_indicators_changes_nothing() -> None:
    bars, chosen = random_bars(200, seed=3), parse_indicators(["rsi:14", "obv", "macd"], D1)
    found = compute_indicators(bars.sample(fraction=1, shuffle=True, seed=1), chosen)
    alone = [compute_indicators(bars, [one]).select(one.columns) for one in chosen]
    assert found.equals(pl.concat([bars, *alone], how="horizontal"))


@pytest.mark.parametrize("spec", SPECS, ids=by_name)
def test_an_indicator_is_read_as_it_is_written(spec: IndicatorSpec) -> None:
    (chosen,) = parse_indicators([spec.name], M1)
    assert chosen == Indicator(spec, spec.defaults) == parse_indicators([chosen.text.upper()], M1)[0]


def test_columns_bear_every_parameter() -> None:
    macd, bands = parse_indicators(["macd:5", "bbands:20,2.5", "macd:5,26,9"], D1)
    assert macd.columns == ("macd_5_26_9", "macd_5_26_9_signal", "macd_5_26_9_histogram")
    assert bands.columns == ("bbands_20_2.5_upper", "bbands_20_2.5_middle", "bbands_20_2.5_lower")


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ([], "had 0 entries, expected 1 to 32"),
        (["sma"] * 33, "had 33 entries"),
        (["kama:10"], "'kama', supported are sma, ema"),
        (["sma:1"], "period of sma was '1', expected a whole number from 2 to 500"),
        (["sma:501"], "from 2 to 500"),
        (["sma:2.5"], "was '2.5', expected a whole number"),
        (["sma:"], "was ''"),
        (["sma:5,6"], "had 2 parameters, expected at most: period"),
        (["obv:5"], "expected at most: none"),
        (["bbands:20,nan"], "deviations of bbands was 'nan', expected a number from 0.1 to 10"),
        (["bbands:20,inf"], "'inf'"),
        (["macd:26,12"], "expected fast below slow"),
        (["vwap"], "interval was 1d, expected an intraday one"),
    ],
)
def test_invalid_indicators_are_rejected(texts: list[str], message: str) -> None:
    with pytest.raises(InvalidRequest, match=r".") as caught:
        parse_indicators(texts, D1)
    assert message in caught.value.message
    assert caught.value.pointer == "/indicators"


def test_an_unknown_name_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="supported are"):
        get_indicator_spec("x")
