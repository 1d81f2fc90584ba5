"""Listings and sessions as tables: what a search finds, since when an issue is known, and the hours of a session."""

from datetime import UTC, date, datetime

import pytest

from kaboom.market.listing import Listing, Market
from kaboom.market.lists.history import ListingHistory
from kaboom.market.lists.snapshot import Snapshot
from kaboom.market.lists.universe import Universe
from kaboom.market.reference import list_listings, list_sessions, search_listings

OLD, NEW = date(2025, 9, 30), date(2025, 10, 31)
TOYOTA = Listing("7203", "トヨタ自動車", Market.TSE_PRIME, "輸送用機器", "TOPIX Core30", "TOYOTA MOTOR CORPORATION")
SONY = Listing("6758", "ソニーグループ", Market.TSE_PRIME, "電気機器", "TOPIX Core30", "SONY GROUP CORPORATION")
GONE = Listing("9613", "ＮＴＴデータ", Market.TSE_PRIME, "情報・通信業", "-", "")
HISTORY = ListingHistory((Snapshot(OLD, "a test", (TOYOTA, GONE)), Snapshot(NEW, "a test", (TOYOTA, SONY))))


def universe(as_of: date, *listings: Listing, delisted: frozenset[str] = frozenset()) -> Universe:
    return Universe(Market.TSE_PRIME, as_of, "a test", listings, delisted)


FOUND = list_listings([universe(NEW, TOYOTA, SONY, GONE, delisted=frozenset({"9613"}))], HISTORY)


def test_listings_are_sorted_by_symbol_with_what_is_known_of_each() -> None:
    assert FOUND["symbol"].to_list() == ["6758", "7203", "9613"]
    assert FOUND["is_listed"].to_list() == [True, True, False]
    assert FOUND["is_topix500"].to_list() == [True, True, False]
    assert FOUND.row(1, named=True) == {
        "symbol": "7203",
        "name": "トヨタ自動車",
        "name_en": "TOYOTA MOTOR CORPORATION",
        "market": "TSE_PRIME",
        "sector33": "輸送用機器",
        "sector33_code": "3700",
        "sector33_en": "Transportation Equipment",
        "scale": "TOPIX Core30",
        "is_topix500": True,
        "is_listed": True,
        "first_seen": OLD,
        "left_by": None,
        "moved_to": None,
        "renamed_to": None,
    }


def test_an_issue_is_known_from_its_first_list_until_the_list_that_lacks_it() -> None:
    before = list_listings([universe(OLD, TOYOTA, GONE)], HISTORY)
    assert before.select("symbol", "first_seen", "left_by").rows() == [("7203", OLD, None), ("9613", OLD, NEW)]
    # A list that was imported since: only its own date is known.
    assert FOUND.select("first_seen", "left_by").rows() == [(NEW, None), (OLD, None), (NEW, None)]


@pytest.mark.parametrize(
    ("text", "symbols"),
    [
        ("", ["6758", "7203", "9613"]),
        ("72", ["7203"]),
        ("トヨタ", ["7203"]),
        ("ﾄﾖﾀ", ["7203"]),
        ("nttデータ", ["9613"]),
        ("sony group", ["6758"]),
        ("GROUP sony", ["6758"]),
        ("corporation", ["6758", "7203"]),
        ("輸送", ["7203"]),
        ("transportation", ["7203"]),
        ("sony toyota", []),
        (".*", []),
    ],
)
def test_a_search_finds_what_holds_each_word_in_any_width_and_case(text: str, symbols: list[str]) -> None:
    assert search_listings(FOUND, text)["symbol"].to_list() == symbols


def test_sessions_have_their_hours_and_their_minutes() -> None:
    # The close moved from 15:00 to 15:30 on the 5th; the 4th was a holiday.
    found = list_sessions(date(2024, 11, 1), date(2024, 11, 5))
    assert found["session"].to_list() == [date(2024, 11, 1), date(2024, 11, 5)]
    assert found["minutes"].to_list() == [302, 327]
    assert found.drop("session", "minutes").row(1) == tuple(
        datetime(2024, 11, 5, hour, minute, tzinfo=UTC) for hour, minute in ((0, 0), (2, 30), (3, 30), (6, 30))
    )
    assert found["closes_at"][0] == datetime(2024, 11, 1, 6, tzinfo=UTC)
    assert list_sessions(date(2024, 11, 2), date(2024, 11, 4)).is_empty()
