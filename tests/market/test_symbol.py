# ruff: noqa: RUF001  full-width letters are what some of these tests are about
"""Symbols in every spelling that is one, and none that is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.errors import InvalidRequest
from kaboom.market.symbol import parse_foreign_symbol, parse_symbol


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("7203", "7203"),
        ("285A", "285A"),
        ("285a", "285A"),
        ("７２０３", "7203"),
        ("２８５ａ", "285A"),
        (" 7203\n", "7203"),
        ("72030", "7203"),
        ("130A0", "130A"),
        ("1A2C", "1A2C"),
        ("25935", "25935"),
    ],
)
def test_a_local_code_is_read_in_every_spelling(text: str, symbol: str) -> None:
    assert parse_symbol(text) == symbol


@pytest.mark.parametrize(
    "text",
    [
        "",
        "720",
        "0203",
        "7203.T",
        "72031",
        "285B",
        "28A5",
        "A123",
        "7203;",
        "7203/..",
        "٧٢٠٣",
        "720300",
        "１２",
    ],
)
def test_anything_else_is_refused_and_named(text: str) -> None:
    with pytest.raises(InvalidRequest, match="symbol was") as caught:
        parse_symbol(text)
    assert caught.value.pointer == "/symbols"


@given(st.text(max_size=8))
def test_a_parsed_symbol_is_stable_and_short(text: str) -> None:
    try:
        symbol = parse_symbol(text)
    except InvalidRequest:
        return
    assert parse_symbol(symbol) == symbol
    assert symbol.isascii()
    assert len(symbol) in {4, 5}


@pytest.mark.parametrize(
    ("text", "symbol"),
    [("spy", "SPY"), ("BRK-B", "BRK-B"), ("7203.T", "7203.T"), ("^N225", "^N225"), ("JPY=X", "JPY=X")],
)
def test_a_foreign_symbol_keeps_its_marks(text: str, symbol: str) -> None:
    assert parse_foreign_symbol(text) == symbol


@pytest.mark.parametrize("text", ["", ".hidden", "..", "a..b", "a/b", "a\\b", "a b", "x" * 21, "ü", "a\0", "ａ／ｂ"])
def test_a_foreign_symbol_is_safe_as_a_file_name(text: str) -> None:
    with pytest.raises(InvalidRequest, match="symbol was"):
        parse_foreign_symbol(text)


@given(st.text(max_size=25))
def test_no_text_becomes_a_path(text: str) -> None:
    try:
        symbol = parse_foreign_symbol(text)
    except InvalidRequest:
        return
    assert not symbol.startswith(".")
    assert ".." not in symbol
    assert not set(symbol) & set("/\\\0 ")
    assert 1 <= len(symbol) <= 20
