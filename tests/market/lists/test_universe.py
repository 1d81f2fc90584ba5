"""Universes: which snapshot counts, and who is known to be gone."""

from datetime import date
from pathlib import Path

import pytest

from kaboom.errors import InvalidRequest, NotFound
from kaboom.market.listing import Listing
from kaboom.market.lists.snapshot import Snapshot, find_newest_date, format_snapshot, load_delisted
from kaboom.market.lists.universe import Market, Universe, load_universe, parse_market
from kaboom.market.symbol import parse_symbol

SHIPPED = date(2024, 3, 29)
EDINET = date(2026, 10, 5)


def keep(into: Path, as_of: date, *symbols: str) -> None:
    listings = tuple(Listing(symbol, f"name {symbol}", Market.TSE_PRIME, "", "") for symbol in symbols)
    text = format_snapshot(Snapshot(as_of, "a test, with a comma", listings))
    (into / f"listings_{as_of}.csv").write_text(text, encoding="utf-8")


@pytest.fixture(scope="module")
def prime() -> Universe:
    return load_universe(Market.TSE_PRIME, EDINET)


def test_the_shipped_snapshot_is_the_whole_of_three_sections() -> None:
    sizes = {market: len(load_universe(market, SHIPPED).symbols) for market in Market if market.is_section}
    assert sizes == {Market.TSE_PRIME: 1651, Market.TSE_STANDARD: 1609, Market.TSE_GROWTH: 576}


def test_the_snapshot_says_when_and_whence(prime: Universe) -> None:
    assert prime.as_of == SHIPPED
    assert "JPX" in prime.source
    assert "tokyo-stock-exchange" in prime.source
    assert prime.age(date(2024, 4, 8)) == 10
    assert prime.age(date(2024, 3, 19)) == 10


def test_symbols_are_sorted_valid_and_of_ordinary_shares(prime: Universe) -> None:
    assert list(prime.symbols) == sorted(set(prime.symbols))
    assert all(parse_symbol(symbol) == symbol and len(symbol) == 4 for symbol in prime.symbols)
    growth = load_universe(Market.TSE_GROWTH, SHIPPED)
    assert {"130A", "141A"} <= set(growth.symbols)
    assert all(listing.market is Market.TSE_GROWTH for listing in growth.listings)


def test_the_topix500_are_known_by_their_scale(prime: Universe) -> None:
    toyota = next(listing for listing in prime.listings if listing.symbol == "7203")
    assert toyota == Listing(
        "7203", "トヨタ自動車", Market.TSE_PRIME, "輸送用機器", "TOPIX Core30", "TOYOTA MOTOR CORPORATION"
    )
    assert toyota.is_topix500
    assert len(prime.topix500) == 495
    assert "1301" not in prime.topix500


def test_a_delisting_is_known_only_from_the_date_of_its_list(prime: Universe) -> None:
    before = load_universe(Market.TSE_PRIME, date(2026, 10, 4))
    assert before.delisted == frozenset()
    assert "9613" in before.symbols
    assert len(prime.delisted) == 111
    assert "9613" in prime.delisted
    assert "9613" in {listing.symbol for listing in prime.listings}
    assert "9613" not in prime.symbols
    assert len(prime.symbols) == 1651 - 111


def test_foreign_issuers_are_never_reported_as_delisted() -> None:
    gone = load_delisted()[-1].symbols
    assert not {"1773", "4875", "6697", "7699", "9257", "9399"} & gone


def test_file_has_no_listing() -> None:
    with pytest.raises(NotFound, match="FILE"):
        load_universe(Market.FILE, SHIPPED)


def test_the_newest_snapshot_up_to_the_session_counts(tmp_path: Path) -> None:
    keep(tmp_path, date(2025, 1, 31), "7203", "9613")
    keep(tmp_path, date(2026, 10, 30), "7203", "285A")

    def at(session: date) -> Universe:
        return load_universe(Market.TSE_PRIME, session, imported_dir=tmp_path)

    assert at(date(2025, 1, 30)).as_of == SHIPPED
    assert at(date(2025, 1, 31)).symbols == ("7203", "9613")
    assert at(date(2026, 10, 30)).symbols == ("285A", "7203")
    assert at(date(2025, 1, 31)).source == "a test, with a comma"


def test_an_imported_list_that_was_replaced_is_read_anew(tmp_path: Path) -> None:
    day = date(2025, 1, 31)
    for symbols in (("7203",), ("7203", "9613")):
        keep(tmp_path, day, *symbols)
        for _ in range(2):
            assert load_universe(Market.TSE_PRIME, day, imported_dir=tmp_path).symbols == symbols


def test_a_session_before_every_snapshot_gets_the_oldest(tmp_path: Path) -> None:
    keep(tmp_path, date(2020, 1, 31), "7203")
    assert load_universe(Market.TSE_PRIME, date(2019, 1, 4)).as_of == SHIPPED
    assert load_universe(Market.TSE_PRIME, date(2019, 1, 4), imported_dir=tmp_path).symbols == ("7203",)


def test_the_imported_one_of_two_snapshots_of_a_day_is_used(tmp_path: Path) -> None:
    keep(tmp_path, SHIPPED, "7203")
    for session in (SHIPPED, date(2020, 1, 6)):
        assert load_universe(Market.TSE_PRIME, session, imported_dir=tmp_path).symbols == ("7203",)


def test_a_snapshot_newer_than_the_list_of_the_gone_overrules_it(tmp_path: Path) -> None:
    keep(tmp_path, date(2026, 10, 30), "9613")
    universe = load_universe(Market.TSE_PRIME, date(2026, 11, 2), imported_dir=tmp_path)
    assert "9613" not in universe.delisted


@pytest.mark.parametrize(
    "text",
    [
        "",
        "symbol,name,market,sector33,scale\n7203,x,TSE_PRIME,,\n",
        "# as_of=2024-02-01 source=x\nsymbol,name\n7203,x\n",
        "# as_of=2024-02-01 source=x\nsymbol,name,market,sector33,scale\n7203,x,NASDAQ,,\n",
    ],
)
def test_a_file_that_is_no_snapshot_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(InvalidRequest, match=r"mine\.csv"):
        load_universe(Market.TSE_PRIME, SHIPPED, imported_dir=tmp_path)


def test_an_absent_directory_of_imports_is_an_empty_one(tmp_path: Path) -> None:
    assert load_universe(Market.TSE_PRIME, SHIPPED, imported_dir=tmp_path / "none").as_of == SHIPPED


def test_a_market_is_read_by_its_name() -> None:
    assert parse_market("TSE_PRIME") is Market.TSE_PRIME
    assert not Market.FILE.is_tse
    with pytest.raises(InvalidRequest, match="TSE_PRIME, TSE_STANDARD, TSE_GROWTH, INDEX, FILE") as caught:
        parse_market("prime")
    assert caught.value.pointer == "/market"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_list_that_an_editor_saved_with_other_ends_of_lines_is_read(tmp_path: Path, end: str) -> None:
    keep(tmp_path, date(2025, 1, 31), "7203", "9613")
    path = tmp_path / "listings_2025-01-31.csv"
    path.write_bytes(path.read_bytes().replace(b"\n", end.encode()))
    found = load_universe(Market.TSE_PRIME, date(2025, 1, 31), imported_dir=tmp_path)
    assert (found.symbols, found.source) == (("7203", "9613"), "a test, with a comma")
    assert find_newest_date(tmp_path) >= date(2025, 1, 31)


def test_the_newest_date_is_that_of_any_list(tmp_path: Path) -> None:
    shipped = find_newest_date()
    for day in (date(2031, 1, 31), date(2030, 1, 31), date(2019, 1, 31)):
        keep(tmp_path, day, "7203")
    assert find_newest_date(tmp_path) == date(2031, 1, 31) > shipped
