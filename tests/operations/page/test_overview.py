"""The overview: one number, one sentence, and what runs; each part stands alone."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.links import page_showing
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.market.calendar import closes_at, latest_closed_session, next_session, opens_at
from kaboom.market_data.schemas import JudgedSession
from kaboom.operations.page import Completeness, build_columns, choose_sessions, list_coming
from kaboom.schedules.schemas import ListedSchedule
from kaboom.schedules.store import open_schedules
from kaboom.web.routers import example_of
from tests.fixtures.jobs.apps import RUN_DAILY, jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, tags_of, text_of
from tests.fixtures.jobs.planted import plant_final, plant_running

pytestmark = pytest.mark.anyio
STATES = ("pending", "missing", "empty", "lost", "not_final", "outdated", "short", "no_auction", "differs", "complete")


def session(verdict: str, day: str = "2025-11-04", **counts: int) -> JudgedSession:
    states = dict.fromkeys(STATES, 0) | counts
    known = {"session": day, "verdict": verdict, "symbols": sum(states.values()), **states}
    return JudgedSession.model_validate(example_of(JudgedSession) | known)


async def read(browser: httpx2.AsyncClient, path: str = "/") -> str:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), answer.text
    return answer.text


def part_of(html: str, heading: str) -> str:
    found = re.search(rf'<section[^>]*aria-labelledby="{heading}".*?</section>', html, re.DOTALL)
    assert found
    return text_of(found[0])


async def test_nothing_stored_says_how_to_begin(real_browser: httpx2.AsyncClient) -> None:
    text = text_of(await read(real_browser))
    assert "No session has been ingested." in text
    assert "kaboom ingest run-daily" in text


async def test_bars_of_another_provider_are_not_nothing(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "7203.csv").write_text("Date,Open,High,Low,Close,Volume\n2024-11-05,2690,2725,2681,2716,100\n")
    settings = memory_settings(tmp_path / "data", bar_store="pages", file_dir=files)
    async with running(settings, authenticators=[VIEWERS]) as app:
        async with browser_of(app, accept="*/*") as caller:
            accepted = await caller.post(RUN_DAILY, json={"provider": "file", "intervals": {"1d": 1}})
            await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})
        async with browser_of(app) as browser:
            html = await read(browser)
    assert "no 1-minute bars of synthetic are stored yet" in text_of(html)
    assert 'href="/data?provider=file&amp;interval=1d"' in html


async def test_it_shows_what_runs(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    running, _ = await plant_running(real_app, "ok", size=4)
    partial = await plant_final(real_app, "ok", "provider_error")
    html = await read(real_browser)
    jobs = part_of(html, "hj")
    assert "All 2 jobs" in jobs
    assert f'href="/jobs/ingest/{running.job_id}"' in html
    assert f'href="/jobs/ingest/{partial.job_id}#failures"' in html
    assert "2 items" in part_of(html, "ht")
    assert "No worker is online." in part_of(html, "hw")


def test_the_next_schedules_are_those_that_come_first() -> None:
    times = [f"2025-11-{day:02}T07:35:00Z" for day in (6, 4, 11, 7, 5, 10)]
    known = example_of(ListedSchedule) | {"last_firing": None}
    schedules = [ListedSchedule.model_validate(known | {"next_at": each}) for each in (None, *times)]
    assert [each.next_at and each.next_at.day for each in list_coming(schedules)] == [4, 5, 6, 7, 10]


@pytest.mark.parametrize(
    ("answer", "held", "listed", "to_fetch"),
    [
        (session("complete", complete=1500, empty=100, short=2), 1502, 1502, 0),
        (session("gaps", complete=1500, missing=31, lost=6, empty=114), 1500, 1537, 37),
        (session("pending", complete=900, pending=600), 900, 1500, 0),
    ],
)
def test_the_number_counts_symbols_that_have_their_bars(
    answer: JudgedSession, held: int, listed: int, to_fetch: int
) -> None:
    found = Completeness(answer)
    assert (found.held, found.listed, found.to_fetch) == (held, listed, to_fetch)
    assert sum(n for _, _, n in found.parts) == answer.symbols


@pytest.mark.parametrize(
    ("minutes", "shown", "answer", "trading"),
    [
        (-1, ["2025-11-04"], "2025-11-04", None),
        (0, ["2025-11-05", "2025-11-04"], "2025-11-04", "2025-11-05"),
        (389, ["2025-11-05", "2025-11-04"], "2025-11-04", "2025-11-05"),
        (390, ["2025-11-05", "2025-11-04"], "2025-11-05", None),
    ],
)
def test_the_headline_is_the_last_closed_session(
    minutes: int, shown: list[str], answer: str, trading: str | None
) -> None:
    sessions = [Completeness(session("pending", day)) for day in ("2025-11-05", "2025-11-04")]
    found = choose_sessions(sessions, opens_at(date(2025, 11, 5)) + timedelta(minutes=minutes))
    assert [str(each.day) for each in found.opened] == shown
    assert (found.answer and str(found.answer.day), found.trading and str(found.trading.day)) == (answer, trading)


def test_a_first_session_that_is_open_is_the_headline() -> None:
    first = Completeness(session("pending"))
    assert choose_sessions([first], opens_at(date(2025, 11, 4))).answer is first
    assert choose_sessions([], opens_at(date(2025, 11, 4))).answer is None


def test_columns_of_the_chart_stand_on_zero_below_a_round_number() -> None:
    found = build_columns([0, 3, 120, 1], height=114)
    assert found
    assert (found.top, found.peak) == (200, 2)
    assert [column.height > 0 for column in found.columns] == [False, True, True, True]
    assert all(column.y + column.height == found.base for column in found.columns)
    assert build_columns([], height=114) is None
    nothing = build_columns([0, 0], height=114)
    assert nothing
    assert (nothing.top, nothing.peak) == (1, None)


@pytest.mark.parametrize(
    ("highest", "top"), [(1, 1), (2, 2), (3, 5), (5, 5), (6, 10), (10, 10), (11, 20), (201, 500), (600, 1000)]
)
def test_the_upper_line_is_the_next_round_number(highest: int, top: int) -> None:
    found = build_columns([0, highest], height=114)
    assert found
    assert found.top == top


async def test_it_is_asked_again_only_while_its_sessions_are_away(
    app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> Any:
        raise StoreError("it did not answer in 7 s")

    whole = await read(browser)
    monkeypatch.setattr("kaboom.market_data.judgements.CoverTables.sessions", refuse)
    # `refresh.js` takes `#fresh` anew while it has `data-again`.
    assert ['<div id="fresh" data-again>' in html for html in (whole, await read(browser))] == [False, True]


@pytest.mark.parametrize("away", ["jobs", "schedules", "workers"])
async def test_other_parts_are_shown_if_one_is_unavailable(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch, away: str
) -> None:
    await plant_final(real_app, "ok")
    parts = jobs_of(real_app).parts

    async def refuse(*_: object, **__: object) -> Any:
        raise StoreError("it did not answer in 7 s")

    if away == "jobs":
        monkeypatch.setattr(parts.history, "list_jobs", refuse)
    elif away == "schedules":
        monkeypatch.setattr(parts.database.open(open_schedules), "list_schedules", refuse)
    else:
        monkeypatch.setattr(parts.store, "list_lost", refuse)
    text = text_of(await read(real_browser))
    assert f"The list of {away} is not available it did not answer in 7 s" in text
    assert "Latest jobs" in text
    assert "Next schedules" in text


@pytest.fixture
def evening(judge_in_the_evening: Callable[[date], None]) -> None:
    """The evening of the newest session."""
    judge_in_the_evening(latest_closed_session(utc_now()))


@pytest.fixture
async def ingested(evening: None, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API after an ingest of three symbols, in the evening of their session; it is started with that hour."""
    # Bars in a folder: those in memory are shared with the other tests of this process.
    settings = memory_settings(tmp_path, bar_store="pages")
    async with running(settings, authenticators=[VIEWERS]) as app, browser_of(app, accept="*/*") as caller:
        body = {"intervals": {"1m": 1}, "symbols": ["7203", "6758", "9984"]}
        accepted = await caller.post(RUN_DAILY, json=body)
        done = await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})
        assert done.json()["status"] == "completed"
        yield app


async def test_one_number_and_one_sentence(ingested: FastAPI) -> None:
    async with browser_of(ingested) as browser:
        html = await read(browser)
    text = text_of(html)
    assert re.search(r"\d[\d.]* % .* is not complete: [\d,]+ of [\d,]+ listed symbols have no bars", text)
    assert "synthetic: generated, not market data" in text
    # A chart of one session would be one dot.
    assert "Missing, last session" not in text
    assert 'href="/data?interval=1m&amp;provider=default"' in html
    named = [tag for name, tag in tags_of(html) if tag.get("name") == "session"]
    assert len(named) == 1


async def test_the_next_session_is_shown_once_it_opens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = latest_closed_session(utc_now())
    opening = opens_at(next_session(last))
    # By name: for an hour after the close, the newest session is not final yet, and the one before is the default.
    asked = {"intervals": {"1m": 1}, "symbols": ["7203"], "session": last.isoformat()}
    now = closes_at(last) + timedelta(hours=4)
    for module in ("kaboom.market_data.service", "kaboom.dashboard.viewer"):
        monkeypatch.setattr(f"{module}.utc_now", lambda: now)
    async with running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app:
        async with browser_of(app, accept="*/*") as caller:
            accepted = await caller.post(RUN_DAILY, json=asked)
            await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})
        texts = []
        async with browser_of(app) as browser:
            for at in (now, opening - timedelta(hours=1), opening + timedelta(hours=1)):
                now = at
                texts.append(text_of(await read(browser)))
    heads = [re.search(r"bars · session of (.*?\d{4})", text) for text in texts]
    assert len({head and head[1] for head in heads}) == 1
    numbers = [re.findall(r"([\d.]+) % ", text)[0] for text in texts]
    assert numbers[0] != "0.0"
    assert len(set(numbers)) == 1
    assert ["Today’s session is open: 0 of" in text for text in texts] == [False, False, True]


async def test_fetching_what_is_missing_has_a_preview(ingested: FastAPI) -> None:
    async with browser_of(ingested) as browser:
        html = await read(browser)
        (day,) = [tag["value"] for name, tag in tags_of(html) if tag.get("name") == "session"]
        preview = text_of((await browser.post("/fetch/preview", data={"session": day})).text)
        assert re.search(r"[\d,]+ symbols of one session", preview)
        answer = await browser.post("/fetch", data={"session": day})
        assert answer.headers["location"].startswith("/jobs/ingest/")
        for nonsense in ({}, {"session": "yesterday"}, {"session": "2025-11-03"}):
            assert (await browser.post("/fetch", data=nonsense)).status_code == 422


async def test_a_viewer_may_look_and_not_fetch(ingested: FastAPI) -> None:
    async with browser_of(ingested, role="viewer") as browser:
        assert "Your role may not change jobs" in await read(browser)
        assert (await browser.post("/fetch", data={"session": "2025-11-04"})).status_code == 403


async def test_it_is_complete_in_japanese(ingested: FastAPI) -> None:
    async with browser_of(ingested, **{"accept-language": "ja"}) as browser:
        text = text_of(await read(browser))
    assert "データはそろっていません" in text
    assert "次のスケジュール" in text


async def test_alerts_are_in_japanese(real_app: FastAPI) -> None:
    await plant_final(real_app, "ok", "provider_error")
    async with browser_of(real_app, **{"accept-language": "ja"}) as browser:
        text = text_of(await read(browser))
    assert "失敗または一部失敗したジョブがあります" in text
    assert "Jobs failed" not in text


async def test_market_and_interval_are_chosen_of_what_is_held(ingested: FastAPI) -> None:
    async with browser_of(ingested, accept="*/*") as caller:
        body = {"intervals": {"1d": 3}, "symbols": ["7203", "6758"]}
        accepted = await caller.post(RUN_DAILY, json=body)
        await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})
    async with browser_of(ingested) as browser:
        async with asyncio.timeout(20):
            # What is held is looked for while the first page is shown.
            while 'name="interval" data-submit' not in (html := await read(browser, "/?interval=1d")):
                continue
        wrong = await browser.get("/?interval=7m")
    assert "TSE Prime · daily bars · session of" in text_of(html)
    options = {tag["value"]: "selected" in tag for name, tag in tags_of(html) if name == "option"}
    assert options == {"TSE_PRIME": True, "1m": False, "1d": True}
    named = {
        tag["name"]: tag["value"]
        for _, tag in tags_of(html)
        if tag.get("name") in {"market", "interval"} and "value" in tag
    }
    assert named == {"market": "TSE_PRIME", "interval": "1d"}
    assert wrong.status_code == 422


async def test_what_comes_to_be_held_is_offered_after_a_minute(
    ingested: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaboom.dashboard.series._KEPT_S", 0.0)
    async with browser_of(ingested) as browser:
        assert 'name="interval" data-submit' not in await read(browser)
        async with browser_of(ingested, accept="*/*") as caller:
            accepted = await caller.post(RUN_DAILY, json={"intervals": {"1d": 3}, "symbols": ["7203"]})
            await caller.get(accepted.headers["location"], headers={"prefer": "wait=30"})
        async with asyncio.timeout(20):
            while 'name="interval" data-submit' not in await read(browser):
                continue


@pytest.mark.parametrize(
    ("link", "page"),
    [
        ("/api/v1/workers", "/workers"),
        ("/api/v1/jobs?status=queued&queue=ingest", "/jobs?status=queued&queue=ingest"),
        ("/api/v1/coverage/sessions?market=TSE_PRIME&interval=1m", "/?market=TSE_PRIME&interval=1m"),
        ("/api/v1/schedules/" + "a" * 32, "/schedules/" + "a" * 32),
        ("/readyz", ""),
        ("//evil.example", ""),
    ],
)
def test_what_an_alert_links_to_has_a_page(link: str, page: str) -> None:
    assert page_showing(link) == page


async def test_a_chart_has_a_round_number_on_top_and_its_newest_value(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    await plant_final(real_app, "ok", "ok", "ok")
    html = await read(real_browser)
    section = html.split('aria-labelledby="ht"')[1].split("</section>")[0]
    top, newest, *_ = (text_of(each) for each in re.findall("<text.*?</text>", section))
    assert (top, newest) == ("5 items", "3")
