"""The expression of a screen: which texts are conditions, and what is said of the others before anything is read."""

import pytest

from kaboom.errors import InvalidRequest
from kaboom.indicators.expression import MAX_COLUMNS, MAX_LENGTH, column_names, parse_expression


@pytest.mark.parametrize(
    ("text", "columns", "rows_before"),
    [
        ("rsi_14 < 30 and close > sma_75", ["rsi_14", "close", "sma_75"], 387),
        ("rsi < 30", ["rsi_14"], 387),
        ("30 < rsi_14 <= 70", ["rsi_14"], 387),
        ("not (change_5d > -3.5 or volume >= 2 * volume_sma_25)", ["change_5d", "volume", "volume_sma_25"], 24),
        ("close > high_250d / 1.1", ["close", "high_250d"], 250),
        ("macd_signal < macd", ["macd_12_26_9_signal", "macd_12_26_9"], 517),
        ("close < bbands_20_2_lower", ["close", "bbands_20_2_lower"], 19),
        ('symbol in ("7203", "6758") and close > 3000', ["close"], 0),
        ('symbol == "7203"', [], 0),
        ("close\n  > 1", ["close"], 0),
    ],
)
def test_a_condition_names_its_columns_and_how_far_it_looks_back(
    text: str, columns: list[str], rows_before: int
) -> None:
    found = parse_expression(text)
    assert [column.name for column in found.columns.values()] == columns
    assert found.rows_before == rows_before


@pytest.mark.parametrize("name", column_names())
def test_each_named_column_is_one(name: str) -> None:
    assert name in {column.name for column in parse_expression(f"{name} > 0").columns.values()}


@pytest.mark.parametrize(
    ("text", "at", "why"),
    [
        ("close > 1 and rsi14 < 30", 15, "rsi14 is not a column, the nearest name is rsi_14"),
        ("あ > 1 and rsi14 < 30", 1, "あ is not a column, expected one of open, high"),
        ('symbol != "あ" and rsi14 < 30', 19, "rsi14 is not a column"),
        ("sma75 > 1", 1, "the nearest name is sma_75"),
        ("bbands > 1", 1, "the nearest name is bbands_20_2_upper"),
        ("peg < 12", 1, "peg is not a column"),
        ("obv > 1", 1, "obv is not a column"),
        ("close >", 7, "breaks off"),
        ("close", 1, "expected a condition"),
        ("close and rsi_14 < 3", 1, "expected a condition"),
        ("close > (rsi_14 < 3)", 10, "expected a number, a column"),
        ("close > True", 9, "expected a number or a column"),
        ("close > '1'", 9, "expected a number or a column"),
        ("close > 1e999", 9, "expected a number up to 1e15"),
        ("close in (1, 2)", 1, "this comparison is not allowed"),
        ("symbol in (7203, 6758)", 1, "expected symbols in quotes"),
        ("symbol < '7203'", 1, "expected symbols in quotes"),
        ("sma_501 > 1", 1, "period of sma was '501', expected a whole number from 2 to 500"),
        ("change_0d > 1", 1, "period of change was 0, expected 1 to 500"),
        ("macd_26_12_9 > 0", 1, "expected fast below slow"),
        ("ema_500 > 1", 1, "ema_500 looks back on 7407 sessions, at most 1250 are allowed"),
        ("close ** 2 > 1", 1, "expected a number, a column"),
        ("__import__('os').system('true')", 1, "expected a condition"),
        ("open.__class__ > 1", 1, "expected a number, a column"),
        ("(lambda: 1)() > 1", 1, "expected a number, a column"),
        ("[x for x in close] > 1", 1, "expected a number, a column"),
        ("close := 3", 7, "breaks off"),
        ("\0", 1, "breaks off"),
        ("(" * 300 + "close", 201, "breaks off"),
    ],
)
def test_what_is_no_condition_is_refused_at_its_place(text: str, at: int, why: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^at character {at} of the expression: ") as caught:
        parse_expression(text)
    assert why in caught.value.message
    assert caught.value.pointer == "/expression"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "expression had 0 characters, expected 1 to 1000"),
        ("c" * (MAX_LENGTH + 1), "expression had 1001 characters"),
        ("not " * 30 + "close > 1", "expression was nested 32 deep, expected at most 20"),
        (" and ".join(f"sma_{n} > 1" for n in range(2, MAX_COLUMNS + 3)), "expression had 21 columns"),
    ],
)
def test_limits_are_kept_before_anything_is_evaluated(text: str, why: str) -> None:
    with pytest.raises(InvalidRequest, match=why):
        parse_expression(text)
