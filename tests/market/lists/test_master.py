"""A new list of what is listed: what has changed is told, and a list of which a part is missing is not taken."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kaboom.errors import Conflict
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.master import MasterReport, compare_masters, take_master
from kaboom.market.lists.snapshot import Delisted, Snapshot, load_delisted, load_snapshots
from kaboom.market.lists.universe import load_universe

PACKAGED = list(load_snapshots())[-1]
TODAY = date(2026, 11, 25)
NOT_KNOWN = [s for s in PACKAGED.listings if not any(s.symbol in known.symbols for known in load_delisted())]

symbols = st.sets(st.sampled_from([f"{n}" for n in range(1300, 1330)]))


def snapshot(*listings: Listing, day: date = TODAY) -> Snapshot:
    return Snapshot(day, "test", tuple(listings))


def issue(symbol: str, name: str = "x", market: Market = Market.TSE_PRIME) -> Listing:
    return Listing(symbol, name, market, "", "")


def without(count: int) -> Snapshot:
    """Return a list of today that lacks some issues of which no delisting is known."""
    gone = {s.symbol for s in NOT_KNOWN[:count]}
    return snapshot(*(s for s in PACKAGED.listings if s.symbol not in gone))


def test_each_kind_of_change_is_reported() -> None:
    old = snapshot(issue("1301"), issue("1302"), issue("1303"), issue("1304"), day=TODAY - timedelta(1))
    new = snapshot(issue("1302"), issue("1303", "y"), issue("1304", market=Market.TSE_STANDARD), issue("285A"))
    assert compare_masters(old, new).to_json() == {
        "listed": {"count": 1, "first": [{"symbol": "285A", "name": "x", "market": "TSE_PRIME"}]},
        "delisted": {"count": 1, "first": [{"symbol": "1301", "name": "x", "market": "TSE_PRIME"}]},
        "renamed": {"count": 1, "first": [{"symbol": "1303", "old": "x", "new": "y"}]},
        "moved": {"count": 1, "first": [{"symbol": "1304", "old": "TSE_PRIME", "new": "TSE_STANDARD"}]},
    }


@given(symbols, symbols)
def test_the_changes_lead_from_one_list_to_the_other(before: set[str], after: set[str]) -> None:
    old, new = snapshot(*map(issue, before)), snapshot(*map(issue, after))
    changes = compare_masters(old, new)
    assert (before | {s.symbol for s in changes.listed}) - {s.symbol for s in changes.delisted} == after
    assert changes.unexplained == before - after
    assert not changes.renamed + changes.moved


def test_known_delistings_are_explained_by_lists_that_came_later() -> None:
    old, new = snapshot(issue("1301"), issue("1302"), day=TODAY - timedelta(9)), snapshot()
    known = Delisted(TODAY, frozenset({"1301"}))
    assert compare_masters(old, new, [known]).unexplained == {"1302"}
    assert compare_masters(old, new, [replace(known, as_of=old.as_of)]).unexplained == {"1301", "1302"}


def test_a_list_is_kept_and_is_the_universe_from_its_date_on(tmp_path: Path) -> None:
    report = take_master(replace(without(0), listings=(*PACKAGED.listings, issue("999A"))), tmp_path)
    assert report.previous == PACKAGED
    assert [s.symbol for s in report.changes.listed] == ["999A"]
    assert report.path == tmp_path / "listings_2026-11-25.csv"
    now = load_universe(Market.TSE_PRIME, TODAY, imported_dir=tmp_path)
    assert now.as_of == TODAY
    assert "999A" in now.symbols
    before = load_universe(Market.TSE_PRIME, TODAY - timedelta(days=1), imported_dir=tmp_path)
    assert before.as_of == PACKAGED.as_of


@pytest.mark.parametrize("percent", [5.0, 1.0])
def test_a_list_that_lacks_too_many_is_not_taken(tmp_path: Path, percent: float) -> None:
    most = int(len(PACKAGED.listings) * percent / 100)
    take_master(without(most), tmp_path, most_lost_percent=percent, dry_run=True)
    with pytest.raises(Conflict, match=f"lacked {most + 1} of {len(PACKAGED.listings)} .*it was not imported"):
        take_master(without(most + 1), tmp_path, most_lost_percent=percent)
    assert list(tmp_path.iterdir()) == []
    assert take_master(without(most + 1), tmp_path, most_lost_percent=100).path is not None


def test_a_list_without_one_of_the_markets_is_not_taken(tmp_path: Path) -> None:
    old = snapshot(*(issue(str(n)) for n in range(1300, 1400)), issue("1500", market=Market.TSE_GROWTH))
    take_master(old, tmp_path, most_lost_percent=100)
    with pytest.raises(Conflict, match="no issue of TSE_GROWTH"):
        take_master(replace(old, as_of=TODAY + timedelta(1), listings=old.listings[:-1]), tmp_path)


def test_issues_known_to_be_gone_do_not_count_as_lost(tmp_path: Path) -> None:
    left = snapshot(*NOT_KNOWN)
    assert len(NOT_KNOWN) < len(PACKAGED.listings) * 0.95
    assert take_master(left, tmp_path).changes.unexplained == frozenset()


def test_the_same_list_again_is_held_against_the_one_before_it(tmp_path: Path) -> None:
    first, again = (take_master(without(3), tmp_path) for _ in range(2))
    assert first.changes == again.changes
    assert again.previous == PACKAGED
    assert len(list(tmp_path.iterdir())) == 1


def test_an_older_list_than_any_is_held_against_nothing(tmp_path: Path) -> None:
    report = take_master(snapshot(issue("1301"), day=date(2020, 1, 6)), tmp_path)
    assert report.previous is None
    assert report.to_json()["changes"]["delisted"]["count"] == 0


def test_a_report_counts_the_issues_of_each_market_in_the_order_of_markets() -> None:
    markets = [Market.TSE_GROWTH, Market.TSE_PRIME, Market.TSE_GROWTH]
    listings = tuple(issue(str(1300 + n), market=market) for n, market in enumerate(markets))
    new = snapshot(*listings)
    report = MasterReport(new, None, compare_masters(new, new), Path("kept.csv"))
    assert list(report.counts.items()) == [("TSE_PRIME", 1), ("TSE_GROWTH", 2)]
    told = report.to_json()
    assert (told["as_of"], told["source"], told["markets"]) == ("2026-11-25", "test", report.counts)
    assert (told["previous"], told["path"]) == (None, "kept.csv")
    later = replace(report, previous=replace(new, as_of=date(2026, 1, 5)), path=None).to_json()
    assert later == told | {"previous": "2026-01-05", "path": None}


def test_a_report_has_the_first_200_changes_of_a_kind_by_symbol() -> None:
    new = snapshot(*(issue(str(n)) for n in reversed(range(1300, 1501))))
    told = compare_masters(snapshot(), new).to_json()["listed"]
    assert told["count"] == 201
    assert [each["symbol"] for each in told["first"]] == [str(n) for n in range(1300, 1500)]


def test_the_refusal_of_a_list_names_the_share_and_five_of_the_lost(tmp_path: Path) -> None:
    old = snapshot(*(issue(str(n)) for n in range(1300, 1400)), day=TODAY - timedelta(1))
    take_master(old, tmp_path, most_lost_percent=100)
    with pytest.raises(Conflict) as raised:
        take_master(snapshot(*old.listings[:-6]), tmp_path, most_lost_percent=5.5)
    assert raised.value.message == (
        "the list of 2026-11-25 lacked 6 of 100 issues of 2026-11-24 (6.0 %, such as 1394, 1395, 1396, 1397, 1398),"
        " expected at most 5.5 %: it was not imported"
    )
