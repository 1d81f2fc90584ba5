"""Indices of the Tokyo market: their symbols, which no issue has, and their names."""

from datetime import date

import pytest

from kaboom.errors import InvalidRequest, NotFound
from kaboom.market.indices import INDICES, find_index, is_index, parse_index
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.market.symbol import is_tse_code, parse_symbol
from kaboom.providers.registry import get_source_spec

DAY = date(2025, 11, 4)


@pytest.mark.parametrize(
    ("text", "symbol"),
    [
        ("TOPIX", "^0000"),
        ("topix", "^0000"),
        ("0000", "^0000"),
        ("^0000", "^0000"),
        ("\uff10\uff10\uff12\uff18", "^0028"),
        ("002a", "^002A"),
        ("8200", "^8200"),
        ("N225", "^N225"),
        ("^n225", "^N225"),
    ],
)
def test_an_index_is_read_as_people_write_it(text: str, symbol: str) -> None:
    assert parse_index(text) == symbol


@pytest.mark.parametrize("text", ["", "7203T", "^GSPC", "^00000", "^..", "SPY"])
def test_other_texts_are_no_index(text: str) -> None:
    with pytest.raises(InvalidRequest, match="expected an index of the Tokyo market") as caught:
        parse_index(text)
    assert caught.value.pointer == "/symbols"


def test_no_issue_has_the_symbol_of_an_index() -> None:
    symbols = [listing.symbol for listing in INDICES]
    assert symbols == sorted(set(symbols))
    assert all(is_index(symbol) and parse_index(symbol) == symbol and not is_tse_code(symbol) for symbol in symbols)
    with pytest.raises(InvalidRequest, match="an index, which is not traded"):
        parse_symbol("^0000")


def test_only_unambiguous_names_are_indices_without_a_market() -> None:
    assert [find_index(text) for text in ("topix", "^8200", "8200", "7203")] == ["^0000", "^8200", None, None]
    assert get_source_spec("jquants").parse_symbol("topix") == "^0000"
    assert get_source_spec("jquants").parse_symbol("8200") == "8200"
    with pytest.raises(InvalidRequest):
        get_source_spec("yahoo").parse_symbol("topix")


def test_the_33_sectors_have_the_codes_of_j_quants() -> None:
    names = {listing.symbol: (listing.name, listing.name_en) for listing in INDICES}
    assert names["^0040"] == ("東証業種別 水産・農林業", "TSE Sector Fishery, Agriculture & Forestry")
    assert names["^004F"] == ("東証業種別 電気機器", "TSE Sector Electric Appliances")
    assert names["^005B"] == ("東証業種別 銀行業", "TSE Sector Banks")
    assert names["^0060"] == ("東証業種別 サービス業", "TSE Sector Services")
    assert sum(name.startswith("東証業種別") for name, _ in names.values()) == 33


def test_indices_are_a_universe_of_their_own() -> None:
    universe = load_universe(Market.INDEX, DAY)
    assert {"^0000", "^N225"} <= set(universe.symbols)
    assert universe.topix500 == frozenset()
    for market in Market:
        if market.is_section:
            assert not any(map(is_index, load_universe(market, DAY).symbols))
    with pytest.raises(NotFound):
        load_universe(Market.FILE, DAY)
