"""Adjusting: every bar by the actions after its session, prices and volumes against each other, and back again."""

from datetime import date, timedelta

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from kaboom.market.adjust import (
    DIVIDEND_SCHEMA,
    adjust_bars,
    cumulate_factors,
    digest_actions,
    dividend_factors,
    reinvest_dividends,
)
from kaboom.market.bar import empty_bars
from tests.fixtures.bars.noted_actions import factors
from tests.fixtures.bars.stored_bars import at, bar, frame, full_day

DAYS = [date(2025, 6, 2) + timedelta(days=n) for n in range(10)]
RATIOS = st.sampled_from([1 / 10, 1 / 5, 1 / 3, 1 / 2, 2 / 3, 0.93727, 2.0, 5.0, 10.0])
ACTIONS = st.dictionaries(
    st.tuples(st.sampled_from(["285A", "7203", "9984"]), st.sampled_from(DAYS)), RATIOS, max_size=8
).map(lambda found: factors(*((symbol, day, factor) for (symbol, day), factor in found.items())))
BARS = st.lists(
    st.tuples(
        st.sampled_from(["6758", "7203", "9984"]),
        st.sampled_from(DAYS),
        st.integers(0, 390),
        st.integers(10, 9_999_999),
        st.integers(0, 10**9),
    ),
    unique_by=lambda row: row[:3],
    max_size=30,
).map(
    lambda rows: frame(
        *(
            bar(symbol, at(day, minute), tenths / 10, volume=volume)
            for symbol, day, minute, tenths, volume in sorted(rows)
        )
    )
)


def test_bars_before_the_ex_session_change_and_no_others() -> None:
    bars = frame(*(bar("7203", at(day), 3000.0, volume=100) for day in DAYS[:3]), bar("9984", at(DAYS[0]), 50.0))
    adjusted = adjust_bars(bars, factors(("7203", DAYS[2], 1 / 3), ("7203", DAYS[1], 1 / 2), ("6758", DAYS[2], 10.0)))
    assert adjusted["close"].to_list() == pytest.approx([500.0, 1000.0, 3000.0, 50.0])
    assert adjusted["volume"].to_list() == [600, 300, 100, 100]
    assert adjusted.schema == bars.schema
    assert adjusted.drop("open", "high", "low", "close", "volume").equals(
        bars.drop("open", "high", "low", "close", "volume")
    )


def test_prices_are_numbers_that_people_write() -> None:
    bars = frame(bar("7203", at(DAYS[0]), 1312.0), bar("7203", at(DAYS[1]), 999.9000244140625))
    assert adjust_bars(bars, factors(("7203", DAYS[1], 0.1)))["close"].to_list() == [131.2, 999.9000244140625]


def test_every_minute_of_a_session_has_the_sessions_factor() -> None:
    bars = pl.concat([full_day(["7203"], day) for day in DAYS[:2]])
    adjusted = adjust_bars(bars, factors(("7203", DAYS[1], 1 / 2)))
    assert (adjusted["close"] / bars["close"]).to_list() == [0.5] * 327 + [1.0] * 327
    assert (adjusted["volume"] / bars["volume"]).to_list() == [2.0] * 327 + [1.0] * 327


@pytest.mark.parametrize("bars", [empty_bars(), frame(bar("7203", at(DAYS[0])))], ids=["no bars", "no actions"])
def test_nothing_is_nothing(bars: pl.DataFrame) -> None:
    actions = factors(("7203", DAYS[1], 1 / 2)) if bars.is_empty() else factors()
    assert adjust_bars(bars, actions).equals(bars)


@given(ACTIONS)
def test_a_cumulated_factor_is_the_product_of_its_own_and_all_later_ones(actions: pl.DataFrame) -> None:
    rows = actions.rows()
    for symbol, day, factor in cumulate_factors(actions).rows():
        product = 1.0
        for other, later, ratio in rows:
            product *= ratio if other == symbol and later >= day else 1.0
        assert factor == pytest.approx(product)


@given(BARS, ACTIONS)
def test_a_bars_factor_is_the_product_of_all_after_its_session(bars: pl.DataFrame, actions: pl.DataFrame) -> None:
    adjusted = adjust_bars(bars, actions)
    for raw, new in zip(bars.rows(named=True), adjusted.rows(named=True), strict=True):
        product = 1.0
        for symbol, day, factor in actions.rows():
            product *= factor if symbol == raw["symbol"] and day > raw["opened_at"].date() else 1.0
        assert new["close"] == pytest.approx(raw["close"] * product)
        assert new["low"] <= new["close"] <= new["high"]
        assert abs(new["volume"] - raw["volume"] / product) <= 0.5 + 1e-6 * raw["volume"] / product


@given(BARS, ACTIONS)
def test_inverse_factors_restore_the_raw_bars(bars: pl.DataFrame, actions: pl.DataFrame) -> None:
    back = adjust_bars(adjust_bars(bars, actions), actions.with_columns(factor=1 / pl.col("factor")))
    assert_frame_equal(back.drop("volume"), bars.drop("volume"))
    # Where shares were put together, less than one new share is lost by rounding.
    largest = max([1.0, *cumulate_factors(actions)["factor"]])
    assert ((back["volume"] - bars["volume"]).abs() <= largest / 2 + 1).all()


@given(ACTIONS)
def test_a_digest_tells_action_sets_apart(actions: pl.DataFrame) -> None:
    digest = digest_actions(actions)
    assert digest_actions(actions.reverse()) == digest
    assert digest_actions(pl.concat([actions, factors(("0001", DAYS[0], 0.5))])) != digest
    changed = actions.with_columns(pl.col("factor") * 2)
    assert (digest_actions(changed) == digest) is actions.is_empty()


def closes_of(*closes: float, symbol: str = "7203") -> pl.DataFrame:
    return pl.DataFrame({"symbol": [symbol] * len(closes), "session": DAYS[: len(closes)], "close": list(closes)})


def dividends_of(*rows: tuple[str, date, float]) -> pl.DataFrame:
    return pl.DataFrame(list(rows), schema=DIVIDEND_SCHEMA, orient="row")


@given(
    st.lists(st.integers(100, 100_000), min_size=2, max_size=10),
    st.dictionaries(st.integers(1, 9), st.integers(1, 99), max_size=4),
)
def test_a_total_return_is_that_of_who_reinvests_every_dividend(closes: list[int], paid: dict[int, int]) -> None:
    dividends = dividends_of(*(("7203", DAYS[n], float(yen)) for n, yen in paid.items() if n < len(closes)))
    bars = frame(*(bar("7203", at(day), close) for day, close in zip(DAYS, closes, strict=False)))
    found = reinvest_dividends(bars, dividend_factors(dividends, closes_of(*map(float, closes))))
    assert found["volume"].equals(bars["volume"])
    returns = found["close"].pct_change().drop_nulls().to_list()
    for n, found_return in enumerate(returns, 1):
        assert found_return == pytest.approx(closes[n] / (closes[n - 1] - paid.get(n, 0)) - 1, rel=1e-9, abs=1e-11)
    assert found["close"][-1] == closes[-1]


def test_a_dividend_without_a_close_or_above_it_has_no_factor() -> None:
    dividends = dividends_of(
        ("7203", DAYS[0], 5.0), ("7203", DAYS[1], 100.0), ("7203", DAYS[2], 5.0), ("9984", DAYS[1], 5.0)
    )
    found = dividend_factors(dividends, closes_of(100.0, 50.0))
    assert found["close"].to_list() == [None, 100.0, 50.0, None]
    assert found["factor"].to_list() == [None, None, 0.9, None]
    bars = frame(bar("9984", at(DAYS[0]), 10.0))
    assert reinvest_dividends(bars, found).equals(bars)
