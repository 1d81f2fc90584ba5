"""How complete sessions and cells are over HTTP, equal to what the command line judges."""

import asyncio
import gzip
import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest
from fastapi import FastAPI

from kaboom.bars.coverage.cells import CellState
from kaboom.bars.coverage.fetch_log import build_fetch_log
from kaboom.bars.coverage.judge import CoverSpan, Judgement, judge
from kaboom.bars.store import BarStore
from kaboom.drivers.lazy import Lazy
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import closes_at
from kaboom.market.interval import Interval
from kaboom.market.lists.own_names import keep_names
from kaboom.market_data.judgements import CoverTables
from kaboom.market_data.queries import SessionsQuery
from kaboom.market_data.schemas import CellPage, SessionPage
from kaboom.web.services import services_of
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.market_data.conftest import OWN_FILES, SESSIONS, SYMBOLS

pytestmark = pytest.mark.anyio
COVERAGE = "/api/v1/coverage"
LAST = SESSIONS[-1]
SPAN: dict[str, Any] = {"last": LAST.isoformat(), "sessions": 5}


@pytest.fixture(autouse=True)
async def asked(store: BarStore) -> None:
    """The fetch log of the bars: final, and of a fourth symbol without any bar in the last session."""
    for day in SESSIONS:
        held = await store.read_session(MINUTES, day)
        wanted = [*SYMBOLS, "9999"] if day == LAST else SYMBOLS
        await store.save_fetch_log(MINUTES, build_fetch_log(held, wanted, [day], closes_at(day) + timedelta(hours=2)))


async def ok(http: httpx2.AsyncClient, path: str, **params: Any) -> dict[str, Any]:
    answer = await http.get(COVERAGE + path, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def judged(store: BarStore) -> Judgement:
    span = CoverSpan(date(2025, 10, 30), LAST, timedelta(minutes=20), datetime.now(UTC))
    return await judge(store, MINUTES, span)


def split(body: bytes) -> tuple[dict[str, Any], bytes]:
    head, _, cells = body.partition(b"\n")
    return json.loads(head), cells


async def test_sessions_are_judged_as_by_the_command_line(market: httpx2.AsyncClient, store: BarStore) -> None:
    page = await ok(market, "/sessions", **SPAN)
    SessionPage.model_validate(page)
    expected = (await judged(store)).sessions().reverse()
    assert [row["session"] for row in page["items"]] == [day.isoformat() for day in reversed(SESSIONS)]
    assert (
        pl.DataFrame(page["items"])
        .drop("session")
        .equals(expected.select(list(page["items"][0])).drop("session"), null_equal=True)
    )
    assert sum(page["items"][0][state] for state in CellState) == page["items"][0]["symbols"] == 4


async def test_a_cell_is_a_byte_by_symbol_and_session(market: httpx2.AsyncClient, store: BarStore) -> None:
    answer = await market.get(f"{COVERAGE}/cells", params=SPAN)
    assert answer.headers["content-type"] == "application/octet-stream"
    head, cells = split(answer.content)
    assert head["sessions"] == [day.isoformat() for day in SESSIONS]
    assert head["symbols"] == sorted([*SYMBOLS, "9999"])
    assert head["symbols"].index("7203") == 2
    assert [head[name][2] for name in ("names", "sectors", "scales")] == ["トヨタ自動車", "3700", "TOPIX Core30"]
    assert head["names_en"][2] == "TOYOTA MOTOR CORPORATION"
    assert head["names"][0] == head["sectors"][0] == ""  # 285A, which the shipped list does not have
    assert (head["interval"], head["provider"], head["is_real"]) == ("1m", "synthetic", False)
    expected = (await judged(store)).cells["state"].cast(pl.String).to_list()
    assert [head["states"][byte] for byte in cells] == expected
    assert set(expected) == {"complete", "empty", "missing"}


async def test_symbols_of_files_have_names_of_the_list_or_the_files_and_a_cell_of_each_day(
    market: httpx2.AsyncClient, store: BarStore, tmp_path: Path
) -> None:
    keep_names({"7203": "another", "SPY": "SPDR"}, memory_settings(tmp_path).symbols_dir)
    days = [(symbol, day) for symbol in ("7203", "SPY") for day in SESSIONS if (symbol, day) != ("7203", LAST)]
    await store.write(OWN_FILES, frame(*(bar(symbol, at(day)) for symbol, day in days)))
    head, cells = split((await market.get(f"{COVERAGE}/cells", params={"provider": "file", "interval": "1d"})).content)
    assert (head["symbols"], head["names"][:2]) == (["7203", "SPY", "^N225"], ["トヨタ自動車", "SPDR"])
    assert (head["names_en"][0], head["sectors"][:2]) == ("TOYOTA MOTOR CORPORATION", ["3700", ""])
    # ^N225 has one day, the second; each symbol is judged from its first to its last bar.
    states = [head["states"][byte] for byte in cells]
    assert [states[:3], states[3:6], states[6:]] == [
        ["complete", "complete", "empty"],
        ["complete", "complete", "complete"],
        ["empty", "complete", "empty"],
    ]


async def test_cells_are_compressed_for_whom_it_may_be(market: httpx2.AsyncClient) -> None:
    plain = await market.get(f"{COVERAGE}/cells", params=SPAN, headers={"Accept-Encoding": "identity"})
    assert "content-encoding" not in plain.headers
    async with market.stream("GET", f"{COVERAGE}/cells", params=SPAN, headers={"Accept-Encoding": "gzip"}) as packed:
        raw = b"".join([piece async for piece in packed.aiter_raw()])
    assert packed.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == plain.content
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert packed.headers["etag"] != plain.headers["etag"]


async def test_cells_that_the_caller_has_are_not_sent_until_they_change(
    market: httpx2.AsyncClient, store: BarStore
) -> None:
    tag = (await market.get(f"{COVERAGE}/cells", params=SPAN)).headers["etag"]
    same = await market.get(f"{COVERAGE}/cells", params=SPAN, headers={"If-None-Match": tag})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await store.write(MINUTES, frame(bar("9999", at(LAST))))
    changed = await market.get(f"{COVERAGE}/cells", params=SPAN, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != tag


async def test_a_cell_says_what_it_was_judged_by(market: httpx2.AsyncClient) -> None:
    page = await ok(market, "/cells/7203", **SPAN)
    CellPage.model_validate(page)
    assert [(i["session"], i["state"], i["bars"]) for i in page["items"]] == [
        (day.isoformat(), "complete", 327) for day in reversed(SESSIONS)
    ]
    assert page["items"][0]["asked_at"] == "2025-11-05T08:30:00Z"
    assert (await ok(market, "/cells/9999", **SPAN))["items"][0]["state"] == "empty"


async def test_a_market_is_judged_whole(market: httpx2.AsyncClient) -> None:
    newest = (await ok(market, "/sessions", **SPAN, market="TSE_PRIME"))["items"][0]
    assert (newest["symbols"], newest["verdict"]) == (1651, "degraded")
    assert newest["complete"] == 2  # 285A is in Prime, but listed after the newest shipped list


async def test_without_a_name_rolled_up_bars_stand_in(market: httpx2.AsyncClient, store: BarStore) -> None:
    rolled_up = BarSeries("synthetic_from_1m", Interval.M5)
    await store.write(rolled_up, frame(bar("7203", at(LAST))))
    assert (await ok(market, "/sessions", **SPAN, interval="5m"))["provider"] == "synthetic_from_1m"
    assert (await ok(market, "/sessions", **SPAN, interval="1d"))["provider"] == "synthetic"
    named = await ok(market, "/sessions", **SPAN, interval="5m", provider="synthetic")
    assert (named["provider"], named["items"]) == ("synthetic", [])


async def test_files_are_judged_up_to_their_last_day(market: httpx2.AsyncClient) -> None:
    page = await ok(market, "/sessions", provider="file", interval="1d")
    assert [(i["session"], i["symbols"]) for i in page["items"]] == [(SESSIONS[1].isoformat(), 1)]


async def test_an_empty_store_has_neither_sessions_nor_cells(http: httpx2.AsyncClient) -> None:
    # Tests of one process share the memory store; none keeps bars of this provider.
    assert (await ok(http, "/sessions", provider="jquants"))["items"] == []
    head, cells = split((await http.get(f"{COVERAGE}/cells?provider=jquants")).content)
    assert (head["symbols"], head["sessions"], head["names"], cells) == ([], [], [], b"")


async def test_sessions_come_as_tables_too(market: httpx2.AsyncClient) -> None:
    for path, column in (("/sessions", "verdict"), ("/cells/7203", "state")):
        answer = await market.get(COVERAGE + path, params=SPAN, headers={"Accept": "application/vnd.apache.parquet"})
        table = pl.read_parquet(answer.content)
        assert table.columns[:2] == ["provider", "interval"]
        assert table[column].to_list() == ["complete"] * 3 or column == "verdict"


@pytest.mark.parametrize(
    ("path", "params"),
    [
        ("/sessions", {"sessions": "261"}),
        ("/sessions", {"sessions": "0"}),
        ("/sessions", {"last": "1990-01-05"}),
        ("/sessions", {"market": "NASDAQ"}),
        ("/cells", {"provider": "nobody"}),
        ("/cells", {"provider": "../../etc"}),
        ("/cells/^GSPC", {}),
        ("/cells/7203", {"market": "TSE_PRIME"}),
    ],
)
async def test_invalid_questions_are_422(market: httpx2.AsyncClient, path: str, params: dict[str, str]) -> None:
    assert (await market.get(COVERAGE + path, params=params)).status_code == 422


async def test_a_market_of_files_is_what_is_held(market: httpx2.AsyncClient) -> None:
    assert (await market.get(f"{COVERAGE}/cells", params={"market": "FILE"})).status_code == 200


async def watch(app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Return a list that grows with each reading of coverage: whether it happens in turn."""
    tables = await services_of(app).find(Lazy).get()
    read: list[bool] = []
    wrapped = tables.coverage.store.coverage

    async def counted(series: BarSeries, *, first: date, last: date) -> pl.DataFrame:
        read.append(tables.coverage.turn.locked())
        found: pl.DataFrame = await wrapped(series, first=first, last=last)
        return found

    monkeypatch.setattr(tables.coverage.store, "coverage", counted)
    return read


#: Each judgement of minutes reads bars and rolled-up days.
READS = 2


async def test_callers_who_ask_together_share_one_judgement(
    market_app: FastAPI, market: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = await watch(market_app, monkeypatch)
    answers = await asyncio.gather(*(market.get(f"{COVERAGE}/cells", params=SPAN) for _ in range(20)))
    assert len({answer.content for answer in answers}) == 1
    assert read == [True] * READS


async def test_an_answer_is_kept_until_bars_or_requests_are_written(
    market_app: FastAPI, market: httpx2.AsyncClient, store: BarStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = await watch(market_app, monkeypatch)
    first = await ok(market, "/sessions", **SPAN)
    assert await ok(market, "/sessions", **SPAN) == first
    assert (await market.get(f"{COVERAGE}/cells", params=SPAN)).status_code == 200
    assert len(read) == READS
    await store.write(MINUTES, frame(bar("9999", at(LAST))))
    second = await ok(market, "/sessions", **SPAN)
    assert second["items"][0]["bars"] == first["items"][0]["bars"] + 1
    asked_at = datetime.now(UTC)
    await store.save_fetch_log(MINUTES, build_fetch_log(frame(), ["9999"], [SESSIONS[1]], asked_at))
    third = await ok(market, "/sessions", **SPAN)
    assert (second["items"][1]["missing"], third["items"][1]["missing"]) == (1, 0)
    assert len(read) == 3 * READS


async def test_a_kept_answer_ends_when_bars_become_final(store: BarStore, tmp_path: Path) -> None:
    now = [closes_at(LAST)]
    tables = CoverTables(store, tmp_path, "synthetic", lambda: now[0])
    query = SessionsQuery(last=LAST, sessions=1)
    assert (await tables.sessions(query)).rows["verdict"].to_list() == ["pending"]
    now[0] += timedelta(hours=1)
    assert (await tables.sessions(query)).rows["verdict"].to_list() == ["complete"]


async def test_few_answers_are_kept(store: BarStore, tmp_path: Path) -> None:
    tables = CoverTables(store, tmp_path, "synthetic", lambda: closes_at(LAST) + timedelta(days=1))
    for sessions in range(1, 21):
        await tables.sessions(SessionsQuery(last=LAST, sessions=sessions))
    assert len(tables.kept) == 8


async def test_a_judgement_goes_on_without_its_caller(store: BarStore, tmp_path: Path) -> None:
    has_begun = asyncio.Event()

    def clock() -> datetime:
        has_begun.set()
        return closes_at(LAST) + timedelta(days=1)

    tables = CoverTables(store, tmp_path, "synthetic", clock)
    caller = asyncio.create_task(tables.sessions(SessionsQuery(last=LAST, sessions=3)))
    await has_begun.wait()
    caller.cancel()
    async with asyncio.timeout(10), tables.turn:
        assert len(tables.kept) == 1
