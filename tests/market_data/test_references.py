"""Listings and sessions over HTTP, equal to what the domain says."""

from datetime import date, datetime
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.market.calendar import closes_at, opens_at, sessions_between
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.own_names import keep_names
from kaboom.market.lists.snapshot import Snapshot, format_snapshot
from kaboom.market.lists.universe import load_universe
from kaboom.market_data.schemas import CalendarView, SymbolPage, UniverseView
from tests.fixtures.jobs.apps import memory_settings

pytestmark = pytest.mark.anyio


async def ok(http: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await http.get(f"/api/v1/{path}", params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_a_universe_is_that_of_the_ingest(http: httpx2.AsyncClient) -> None:
    view = await ok(http, "universe", market="TSE_PRIME", session="2026-11-24")
    expected = load_universe(Market.TSE_PRIME, date(2026, 11, 24))
    assert [i["symbol"] for i in view["items"]] == [listing.symbol for listing in expected.listings]
    assert {i["symbol"] for i in view["items"] if not i["is_listed"]} == expected.delisted
    assert [i["symbol"] for i in view["items"] if i["is_listed"]] == list(expected.symbols)
    assert (view["as_of"], view["age_days"]) == ("2024-03-29", 970)
    UniverseView.model_validate(view)


async def test_a_universe_before_the_delistings_has_none(http: httpx2.AsyncClient) -> None:
    view = await ok(http, "universe", session="2024-04-01")
    assert all(i["is_listed"] for i in view["items"])


async def test_symbols_are_paged_over_all_markets(http: httpx2.AsyncClient) -> None:
    answer = await http.get("/api/v1/symbols", params={"limit": 1500})
    SymbolPage.model_validate(answer.json())
    seen = answer.json()["items"]
    while "next" in answer.links:
        answer = await http.get(answer.links["next"]["url"])
        seen += answer.json()["items"]
    names = [i["symbol"] for i in seen]
    assert names == sorted(set(names))
    assert {i["market"] for i in seen} == {"TSE_PRIME", "TSE_STANDARD", "TSE_GROWTH"}
    assert len(names) > 3_000


async def test_symbols_are_searched(http: httpx2.AsyncClient) -> None:
    found = (await ok(http, "symbols", q="トヨタ 7203", market="TSE_PRIME"))["items"]
    assert [(i["symbol"], i["is_topix500"]) for i in found] == [("7203", True)]
    assert (await ok(http, "symbols", q="トヨタ", market="TSE_GROWTH"))["items"] == []
    assert (await ok(http, "symbols", q="(.*["))["items"] == []


async def test_an_imported_list_counts_from_its_day(http: httpx2.AsyncClient, tmp_path: Path) -> None:
    listing = Listing("999A", "新", Market.TSE_GROWTH, "情報・通信業", "")
    text = format_snapshot(Snapshot(date(2025, 6, 30), "a test", (listing,)))
    (tmp_path / "symbols").mkdir()
    (tmp_path / "symbols" / "new.csv").write_text(text, encoding="utf-8")
    page = await ok(http, "symbols", session="2025-07-01")
    assert ([i["symbol"] for i in page["items"]], page["source"]) == (["999A"], "a test")
    assert (await ok(http, "symbols", session="2025-06-01"))["source"] != "a test"


async def test_a_row_says_until_when_it_was_so(http: httpx2.AsyncClient, tmp_path: Path) -> None:
    moved = Listing("7203", "トヨタ自動車", Market.TSE_STANDARD, "輸送用機器", "")
    renamed = Listing("999A", "極洋", Market.TSE_PRIME, "水産・農林業", "")
    text = format_snapshot(Snapshot(date(2025, 6, 30), "a test", (moved, renamed)))
    (tmp_path / "symbols").mkdir()
    (tmp_path / "symbols" / "new.csv").write_text(text, encoding="utf-8")
    view = await ok(http, "universe", session="2024-04-01")
    UniverseView.model_validate(view)
    rows = {i["symbol"]: [i[n] for n in ("first_seen", "left_by", "moved_to", "renamed_to")] for i in view["items"]}
    assert rows["7203"] == ["2024-03-29", "2025-06-30", "TSE_STANDARD", None]
    assert rows["1301"] == ["2024-03-29", "2025-06-30", None, "999A"]
    assert rows["1332"] == ["2024-03-29", "2025-06-30", None, None]
    after = await ok(http, "symbols", session="2025-07-01")
    assert {i["symbol"]: i["left_by"] for i in after["items"]} == {"7203": None, "999A": None}


async def test_a_search_finds_the_names_in_own_files(http: httpx2.AsyncClient, tmp_path: Path) -> None:
    keep_names({"7203": "another", "ZZTOP": "Top ZZ"}, memory_settings(tmp_path).symbols_dir)
    found = await ok(http, "symbols", q="top zz")
    assert [(i["symbol"], i["name_en"], i["market"]) for i in found["items"]] == [("ZZTOP", "Top ZZ", "FILE")]
    assert [i["market"] for i in (await ok(http, "symbols", q="7203"))["items"]] == ["TSE_PRIME"]
    assert (await ok(http, "symbols", q="top zz", market="TSE_PRIME"))["items"] == []
    assert (await ok(http, "symbols", q="top zz", as_of="2026-01-05T00:00:00Z"))["items"] == []


async def test_files_have_no_listings(http: httpx2.AsyncClient) -> None:
    for path in ("symbols", "universe"):
        assert (await http.get(f"/api/v1/{path}", params={"market": "FILE"})).status_code == 404


async def test_the_calendar_is_the_domains(http: httpx2.AsyncClient) -> None:
    view = await ok(http, "calendar", first="2024-10-28", last="2024-11-08")
    CalendarView.model_validate(view)
    days = sessions_between(date(2024, 10, 28), date(2024, 11, 8))
    assert [date.fromisoformat(i["session"]) for i in view["items"]] == list(days)
    for day, item in zip(days, view["items"], strict=True):
        assert datetime.fromisoformat(item["opens_at"]) == opens_at(day)
        assert datetime.fromisoformat(item["closes_at"]) == closes_at(day)
    # The afternoon was lengthened in between, and 2024-11-04 was a holiday.
    assert [i["minutes"] for i in view["items"]] == [302] * 5 + [327] * 4
    assert view["items"][0]["am_closes_at"] == "2024-10-28T02:30:00Z"


async def test_references_come_as_tables_too(http: httpx2.AsyncClient) -> None:
    for path, columns in (
        ("universe", ["as_of", "symbol"]),
        ("symbols", ["as_of", "symbol"]),
        ("calendar", ["session"]),
    ):
        answer = await http.get(f"/api/v1/{path}", headers={"Accept": "application/vnd.apache.parquet"})
        assert pl.read_parquet(answer.content).columns[: len(columns)] == columns
        assert "kaboom-provider" not in answer.headers
        same = await http.get(f"/api/v1/{path}", headers={"Accept": "text/csv"})
        again = await http.get(f"/api/v1/{path}", headers={"Accept": "text/csv", "If-None-Match": same.headers["etag"]})
        assert again.status_code == 304
