"""Bars over HTTP: what is kept is what is shown, page by page, in every format, each under its provider's name."""

import asyncio
import functools
import io
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx2
import polars as pl
import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]
import pytest
from fastapi import FastAPI

from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.store import BarStore
from kaboom.market_data.schemas import BarPage, CoveragePage, LatestBars
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day
from tests.fixtures.jobs.apps import client_of
from tests.market_data.conftest import SESSIONS, SYMBOLS

pytestmark = pytest.mark.anyio
BARS = "/api/v1/bars"
SPAN = {"start": "2025-10-31", "end": "2025-11-06"}
BEGIN, END = datetime(2025, 10, 30, 15, tzinfo=UTC), datetime(2025, 11, 5, 15, tzinfo=UTC)
COLUMNS = ["provider", "interval", "symbol", "opened_at", "open", "high", "low", "close", "volume", "flags"]


async def ok(http: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await http.get(path, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def to_frame(items: list[dict[str, Any]], symbol: str) -> pl.DataFrame:
    rows = [(symbol, datetime.fromisoformat(i["opened_at"]), *list(i.values())[1:]) for i in items]
    return frame(*rows)


async def test_bars_are_those_of_the_store(market: httpx2.AsyncClient, store: BarStore) -> None:
    page = await ok(market, f"{BARS}/7203", **SPAN)
    kept = await store.read(MINUTES, "7203", start=BEGIN, end=END)
    assert kept.height == 3 * 327
    assert to_frame(page["items"], "7203").equals(kept)
    assert {k: v for k, v in page.items() if k != "items"} == {
        "symbol": "7203",
        "interval": "1m",
        "provider": "synthetic",
        "is_real": False,
        "adjusted": False,
        "start": "2025-10-30T15:00:00Z",
        "end": "2025-11-05T15:00:00Z",
        "next_cursor": None,
    }
    BarPage.model_validate(page)


@pytest.mark.parametrize("limit", [1, 300, 327, 980, 981])
async def test_pages_are_the_whole_without_gap_or_double(market: httpx2.AsyncClient, limit: int) -> None:
    whole = await ok(market, f"{BARS}/7203", **SPAN)
    seen: list[Any] = []
    answer = await market.get(f"{BARS}/7203", params=SPAN | {"limit": limit})
    for _ in range(5 if limit == 1 else 100):
        page = answer.json()
        assert len(page["items"]) <= limit
        seen += page["items"]
        if page["next_cursor"] is None:
            assert "link" not in answer.headers
            break
        assert f"cursor={page['next_cursor']}" in answer.headers["link"]
        answer = await market.get(answer.links["next"]["url"])
        assert answer.status_code == 200, answer.text
    assert seen == whole["items"][: len(seen)]
    assert len(seen) == (5 if limit == 1 else len(whole["items"]))


async def test_a_span_is_half_open_and_a_day_begins_in_japan(market: httpx2.AsyncClient) -> None:
    span = {"start": "2025-11-04T09:00:00+09:00", "end": "2025-11-04T00:02:00Z"}
    items = (await ok(market, f"{BARS}/7203", **span))["items"]
    assert [i["opened_at"] for i in items] == ["2025-11-04T00:00:00Z", "2025-11-04T00:01:00Z"]
    day = (await ok(market, f"{BARS}/7203", start="2025-11-04", end="2025-11-05", interval="1d"))["items"]
    assert [i["opened_at"] for i in day] == ["2025-11-04T00:00:00Z"]


async def test_without_a_span_the_last_month_is_shown(market: httpx2.AsyncClient, store: BarStore) -> None:
    now = datetime.now(UTC)
    await store.write(DAILY, frame(bar("7203", at(now.date()), 7.0)))
    # By the year of daily bars, and of the minutes by the month: none of them is that new.
    assert (await ok(market, f"{BARS}/7203", interval="1d"))["items"][-1]["close"] == 7.0
    page = await ok(market, f"{BARS}/7203")
    asked = [datetime.fromisoformat(page[name]) for name in ("start", "end")]
    assert (asked[1] - asked[0]).days == 31
    assert now < asked[1]


@pytest.mark.parametrize(
    ("accept", "media_type"),
    [
        ("text/csv", "text/csv; charset=utf-8"),
        ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.stream"),
        ("application/vnd.apache.parquet, application/json;q=0.5", "application/vnd.apache.parquet"),
    ],
)
async def test_every_format_holds_the_same_bars(
    market: httpx2.AsyncClient, store: BarStore, accept: str, media_type: str
) -> None:
    answer = await market.get(f"{BARS}/7203", params=SPAN | {"limit": 400}, headers={"Accept": accept})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == media_type
    assert answer.headers["vary"] == "Accept"
    assert answer.headers["kaboom-provider"] == "synthetic"
    assert "cursor=" in answer.links["next"]["url"]
    named, _, suffix = answer.headers["content-disposition"].rstrip('"').rpartition(".")
    assert named == 'attachment; filename="7203-1m-synthetic'
    read: dict[str, Callable[[io.BytesIO], pl.DataFrame]] = {
        "csv": functools.partial(pl.read_csv, try_parse_dates=True),
        "arrow": pl.read_ipc_stream,
        "parquet": pl.read_parquet,
    }
    found = read[suffix](io.BytesIO(answer.content))
    assert found.columns == COLUMNS
    assert found.select(pl.col("provider", "interval").unique()).rows() == [("synthetic", "1m")]
    kept = (await store.read(MINUTES, "7203", start=BEGIN, end=END)).head(400)
    assert found.drop("provider", "interval").cast(kept.schema).equals(kept)


async def test_csv_says_its_zone(market: httpx2.AsyncClient) -> None:
    answer = await market.get(f"{BARS}/7203", params=SPAN | {"limit": 1}, headers={"Accept": "text/csv"})
    assert answer.text.splitlines()[1].startswith("synthetic,1m,7203,2025-10-31T00:00:00Z,")


async def test_other_readers_read_arrow_and_parquet(market: httpx2.AsyncClient) -> None:
    arrow = await market.get(f"{BARS}/7203", params=SPAN, headers={"Accept": "application/vnd.apache.arrow.stream"})
    parquet = await market.get(f"{BARS}/7203", params=SPAN, headers={"Accept": "application/vnd.apache.parquet"})
    by_stream = pa.ipc.open_stream(arrow.content).read_all()
    by_file = pq.read_table(io.BytesIO(parquet.content))
    assert by_stream.schema.field("opened_at").type == pa.timestamp("us", "UTC")
    assert by_stream.to_pylist() == by_file.to_pylist()
    assert by_stream.num_rows == 3 * 327


async def test_an_etag_spares_the_body_until_a_bar_changes(market: httpx2.AsyncClient, store: BarStore) -> None:
    first = await market.get(f"{BARS}/7203", params=SPAN)
    tag = first.headers["etag"]
    assert tag.startswith('"')
    for known in (tag, f"W/{tag}", f'"other", {tag}', "*"):
        again = await market.get(f"{BARS}/7203", params=SPAN, headers={"If-None-Match": known})
        assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    csv = await market.get(f"{BARS}/7203", params=SPAN, headers={"Accept": "text/csv", "If-None-Match": tag})
    assert (csv.status_code, csv.headers["etag"] != tag) == (200, True)
    other = await market.get(f"{BARS}/7203", params=SPAN | {"limit": 5}, headers={"If-None-Match": tag})
    assert other.status_code == 200
    await store.write(MINUTES, frame(bar("7203", at(SESSIONS[1]), 12.5)))
    changed = await market.get(f"{BARS}/7203", params=SPAN, headers={"If-None-Match": tag})
    assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)


async def test_callers_who_ask_at_once_get_the_answers_that_each_asked_for(market: httpx2.AsyncClient) -> None:
    tag = (await market.get(f"{BARS}/7203", params=SPAN)).headers["etag"]
    asked = [{}, {"If-None-Match": tag}, {"Accept": "text/csv"}] * 3
    answers = await asyncio.gather(*(market.get(f"{BARS}/7203", params=SPAN, headers=each) for each in asked))
    found = [(answer.status_code, answer.headers.get("content-type", "")[:8]) for answer in answers]
    assert found == [(200, "applicat"), (304, ""), (200, "text/csv")] * 3


async def test_providers_do_not_mix(market: httpx2.AsyncClient) -> None:
    own = await ok(market, f"{BARS}/^N225", **SPAN, interval="1d", provider="file")
    assert [i["close"] for i in own["items"]] == [51000.5]
    assert (own["provider"], own["is_real"], own["items"][0]["flags"]) == ("file", True, 9)
    assert (await ok(market, f"{BARS}/7203", **SPAN, interval="1d", provider="file"))["items"] == []
    assert (await market.get(f"{BARS}/^N225", params={"interval": "1d"})).json()["items"] == []
    assert (await market.get(f"{BARS}/^GSPC", params={"interval": "1d"})).status_code == 422
    latest = await ok(market, f"{BARS}/latest", interval="1d")
    assert "^N225" not in [i["symbol"] for i in latest["items"]]


async def test_a_symbol_may_be_written_as_people_do(market: httpx2.AsyncClient) -> None:
    for text in ("72030", "\uff17\uff12\uff10\uff13"):  # the latter full-width
        answer = await market.get(f"{BARS}/{text}", params=SPAN | {"limit": 1})
        assert answer.json()["symbol"] == "7203"
        assert (await market.get(answer.links["next"]["url"])).status_code == 200


async def test_latest_is_the_newest_bar_of_each(market: httpx2.AsyncClient, store: BarStore) -> None:
    page = await ok(market, f"{BARS}/latest")
    assert [i["symbol"] for i in page["items"]] == list(SYMBOLS)
    assert {i["opened_at"] for i in page["items"]} == {"2025-11-05T06:30:00Z"}
    LatestBars.model_validate(page)
    some = await ok(market, f"{BARS}/latest", symbol=["72030", "9999"])
    assert some["items"] == [i for i in page["items"] if i["symbol"] == "7203"]
    assert (await ok(market, f"{BARS}/latest", interval="1h"))["items"] == []


async def test_latest_has_indices_where_they_are_named(market: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(DAILY, frame(bar("^0000", at(SESSIONS[2]), 3000.5), bar("^N225", at(SESSIONS[2]), 51000.5)))
    every = await ok(market, f"{BARS}/latest", interval="1d")
    assert [i["symbol"] for i in every["items"]] == list(SYMBOLS)
    some = await ok(market, f"{BARS}/latest", interval="1d", symbol=["TOPIX", "7203"])
    assert [i["symbol"] for i in some["items"]] == ["7203", "^0000"]
    own = await ok(market, f"{BARS}/latest", interval="1d", provider="file")
    assert [i["symbol"] for i in own["items"]] == ["^N225"]


async def test_coverage_has_all_that_is_held(market: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(DAILY, frame(bar("^0000", at(SESSIONS[2]), 3000.5)))
    page = await ok(market, "/api/v1/coverage", interval="1d", first="2025-11-05", last="2025-11-05")
    assert [i["symbol"] for i in page["items"]] == [*SYMBOLS, "^0000"]


async def test_coverage_counts_what_is_held(market: httpx2.AsyncClient, store: BarStore) -> None:
    span = {"first": "2025-10-31", "last": "2025-11-05"}
    page = await ok(market, "/api/v1/coverage", **span)
    cells = [(i["symbol"], i["session"], i["bars"]) for i in page["items"]]
    assert cells == [(symbol, str(day), 327) for symbol in SYMBOLS for day in SESSIONS]
    CoveragePage.model_validate(page)
    some = await ok(market, "/api/v1/coverage", **span | {"last": "2025-11-04"}, symbol="7203")
    assert [(i["symbol"], i["session"]) for i in some["items"]] == [("7203", "2025-10-31"), ("7203", "2025-11-04")]
    await store.write(MINUTES, frame(bar("7203", at(SESSIONS[0], 3), flags=8), bar("9984", at(SESSIONS[0]))))
    after = {(i["symbol"], i["session"]): i for i in (await ok(market, "/api/v1/coverage", **span))["items"]}
    assert len(after) == 10
    assert after["7203", "2025-10-31"]["flags"] == 8
    assert after["7203", "2025-10-31"]["flagged"] == 1


async def test_coverage_says_on_demand_what_is_final(market: httpx2.AsyncClient, store: BarStore) -> None:
    span = {"first": "2025-10-31", "last": "2025-11-05"}
    plain = await market.get("/api/v1/coverage", params=span)
    assert "is_final" not in plain.json()["items"][0]
    old = await market.get("/api/v1/coverage", params=span | {"finality": "true"})
    CoveragePage.model_validate(old.json())
    # Nobody noted anything, and the sessions are old.
    assert {i["is_final"] for i in old.json()["items"]} == {True}
    assert [{**i, "is_final": True} for i in plain.json()["items"]] == old.json()["items"]
    noon = datetime(2025, 11, 4, 3, tzinfo=UTC)
    await store.save_fetch_log(MINUTES, build_fetch_log(full_day(["7203"], SESSIONS[1]), ["7203"], [SESSIONS[1]], noon))
    changed = await market.get("/api/v1/coverage", params=span | {"finality": "true"})
    assert changed.headers["etag"] != old.headers["etag"]
    early = [(i["symbol"], i["session"]) for i in changed.json()["items"] if not i["is_final"]]
    assert early == [("7203", "2025-11-04")]
    same = await market.get("/api/v1/coverage", params=span, headers={"If-None-Match": plain.headers["etag"]})
    assert same.status_code == 304


@pytest.mark.parametrize(
    "accept", ["text/csv", "application/vnd.apache.arrow.stream", "application/vnd.apache.parquet"]
)
async def test_every_format_says_what_is_final(market: httpx2.AsyncClient, store: BarStore, accept: str) -> None:
    today = datetime.now(UTC).date()
    await store.write(MINUTES, frame(bar("7203", at(today)), bar("6758", at(today))))
    late = datetime.now(UTC) + timedelta(days=1)
    await store.save_fetch_log(MINUTES, build_fetch_log(frame(bar("7203", at(today))), ["7203"], [today], late))
    span = {"first": str(today), "last": str(today), "finality": "true"}
    answer = await market.get("/api/v1/coverage", params=span, headers={"Accept": accept})
    read: dict[str, Callable[[io.BytesIO], pl.DataFrame]] = {
        "text/csv": pl.read_csv,
        "application/vnd.apache.arrow.stream": pl.read_ipc_stream,
        "application/vnd.apache.parquet": pl.read_parquet,
    }
    found = read[accept](io.BytesIO(answer.content))
    assert found.columns[-2:] == ["flags", "is_final"]
    # Of the other nobody noted when it was asked for, and it is too young to be taken for final.
    assert found["is_final"].cast(pl.Boolean).to_list() == [None, True]


async def test_pages_with_finality_are_the_whole(market: httpx2.AsyncClient) -> None:
    span = {"first": "2025-10-31", "last": "2025-11-05", "finality": "true"}
    whole = (await ok(market, "/api/v1/coverage", **span))["items"]
    answer = await market.get("/api/v1/coverage", params=span | {"limit": 5})
    rest = await market.get(answer.links["next"]["url"])
    assert answer.json()["items"] + rest.json()["items"] == whole


async def turn_pages(market: httpx2.AsyncClient, path: str, span: dict[str, str | int]) -> list[dict[str, Any]]:
    """Return all pages of an answer, which may not be more than ten."""
    answer = await market.get(path, params=span)
    pages = [answer.json()]
    while "next" in answer.links and len(pages) <= 10:
        answer = await market.get(answer.links["next"]["url"])
        pages.append(answer.json())
    return pages


@pytest.mark.parametrize("limit", range(1, 11))
async def test_each_cell_is_on_one_page_wherever_pages_end(market: httpx2.AsyncClient, limit: int) -> None:
    # Several symbols have each session, and a symbol several: a page ends within both.
    span: dict[str, str | int] = {"first": "2025-10-31", "last": "2025-11-05", "limit": limit}
    pages = [page["items"] for page in await turn_pages(market, "/api/v1/coverage", span)]
    cells = [(symbol, str(day)) for symbol in SYMBOLS for day in SESSIONS]
    assert [(i["symbol"], i["session"]) for page in pages for i in page] == cells
    assert [len(page) for page in pages[:-1]] == [limit] * (len(pages) - 1)
    assert len(pages[-1]) in range(1, limit + 1)


@pytest.mark.parametrize("limit", [1, 2, 3])
async def test_bars_of_one_instant_at_a_pages_end_stay_with_their_symbols(
    market: httpx2.AsyncClient, store: BarStore, limit: int
) -> None:
    # All symbols trade in each of these minutes; a page of one ends on an instant that the others have, too.
    span: dict[str, str | int] = {"start": "2025-11-04T11:28:00+09:00", "end": "2025-11-04T12:32:00+09:00"}
    for symbol in SYMBOLS:
        pages = await turn_pages(market, f"{BARS}/{symbol}", span | {"limit": limit})
        assert {page["symbol"] for page in pages} == {symbol}
        seen = [item for page in pages for item in page["items"]]
        kept = await store.read(MINUTES, symbol, start=at(SESSIONS[1], 148), end=at(SESSIONS[1], 212))
        assert kept.height == 5
        assert to_frame(seen, symbol).equals(kept)


async def test_an_empty_table_still_has_its_columns(market: httpx2.AsyncClient) -> None:
    answer = await market.get(f"{BARS}/9999", params=SPAN, headers={"Accept": "text/csv"})
    assert answer.text == ",".join(COLUMNS) + "\n"
    assert (await ok(market, f"{BARS}/9999", **SPAN))["items"] == []


async def test_a_stranger_learns_nothing(market_app: FastAPI) -> None:
    async with client_of(market_app, **{"x-ingest-token": ""}) as stranger:
        for path in ("bars/7203", "bars/latest", "coverage", "symbols", "universe", "calendar"):
            assert (await stranger.get(f"/api/v1/{path}")).status_code == 401


async def test_a_long_answer_arrives_whole(market: httpx2.AsyncClient, store: BarStore) -> None:
    for day in range(6, 15):
        await store.write(MINUTES, full_day(["7203"], date(2025, 11, day)))
    answer = await market.get(f"{BARS}/7203", params={"start": "2025-10-31", "end": "2025-11-20", "limit": 20_000})
    assert len(answer.content) > 256 * 1024
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert len(answer.json()["items"]) == 12 * 327
