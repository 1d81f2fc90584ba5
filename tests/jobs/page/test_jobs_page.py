"""The list of jobs: rows, filters in the address, pages, saved views, and what is away."""

import base64
import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import orjson
import pytest
from fastapi import FastAPI, Request

from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.jobs.api import job_list
from kaboom.jobs.model import JobStatus, writes_bars
from kaboom.jobs.page.jobs import JobFilters, View, add_view, read_views
from kaboom.jobs.postgres.port import JobQuery
from kaboom.notify.jobs import DELIVER
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.planted import plant_final, plant_queued, plant_result, plant_running

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\u202e\u001b[31m" + "x" * 10_000


def rows_in(html: str) -> list[str]:
    return re.findall(r'<tr id="job-([0-9a-f]{32})"', html)


def rows_text(html: str) -> list[str]:
    return [text_of(row) for row in re.findall(r'<tr id="job-.*?</tr>', html, re.DOTALL)]


async def test_rows_say_state_progress_and_why(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    queued = await plant_queued(real_app)
    running, _ = await plant_running(real_app, "ok", "ok", "provider_error", size=8)
    partial = await plant_final(real_app, "ok", "rate_limited", "rate_limited", "provider_error")
    html = await read_page(real_browser, "/jobs")
    assert rows_in(html) == [partial.job_id, running.job_id, queued.job_id]
    first, second, third = rows_text(html)
    assert "partial Daily ingest" in first
    assert "rate limited 2, provider error 1" in first
    assert "1 / 4" in first
    assert "2025-11-04" in first
    assert "running" in second
    assert "2 / 8" in second
    assert "no worker is online" in third
    assert "0 / 0" not in third


async def test_japanese_rows_use_the_words_of_the_glossary(real_app: FastAPI) -> None:
    await plant_final(real_app, "ok", "rate_limited")
    async with browser_of(real_app, **{"accept-language": "ja"}) as browser:
        html = await read_page(browser, "/jobs")
    assert "一部失敗日次取り込み" in rows_text(html)[0].replace(" ", "")
    assert "呼び出し回数の上限超過 1" in rows_text(html)[0]
    assert "東証プライム" in rows_text(html)[0]


async def test_filters_are_links_that_survive_a_reload(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    queued = await plant_queued(real_app)
    partial = await plant_final(real_app, "ok", "provider_error")
    html = await read_page(real_browser, "/jobs")
    links = {tag["href"] for name, tag in tags_of(html) if name == "a" and tag.get("href", "").startswith("/jobs?")}
    assert {"/jobs?status=partial", "/jobs?status=queued", "/jobs?status=partial&status=failed"} <= links
    assert rows_in(await read_page(real_browser, "/jobs?status=partial")) == [partial.job_id]
    assert rows_in(await read_page(real_browser, f"/jobs?q={queued.job_id[:8]}")) == [queued.job_id]
    assert rows_in(await read_page(real_browser, "/jobs?queue=market_data")) == []
    # As a form without JavaScript sends it.
    assert len(rows_in(await read_page(real_browser, "/jobs?q=&queue=&period="))) == 2
    searched = await read_page(real_browser, "/jobs?q=provider_error&status=partial&period=today")
    assert [tag["value"] for name, tag in tags_of(searched) if tag.get("name") == "q" and "value" in tag] == [
        "provider_error"
    ]
    assert '<option value="today" selected>' in searched


async def test_deliveries_are_listed_only_where_they_are_asked_for(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    ingest = await plant_queued(real_app)
    values = {"channel_id": "c" * 32, "delivered": 1, "failed": 0}
    delivery = await plant_result(real_app, DELIVER, {"channel_id": "c" * 32}, values)
    html = await read_page(real_browser, "/jobs")
    assert rows_in(html) == [ingest.job_id]
    assert "All 1 " in text_of(html)
    (link,) = [tag for name, tag in tags_of(html) if tag.get("id") == "new-jobs"]
    assert link["data-queues"] == "ingest ai_analysis backtest market_data"
    everything = await read_page(real_browser, "/jobs?queue=all")
    assert rows_in(everything) == [delivery.job_id, ingest.job_id]
    assert "All 2 " in text_of(everything)
    assert '<option value="all" selected>' in everything
    assert rows_in(await read_page(real_browser, "/jobs?queue=notifications")) == [delivery.job_id]
    overview = await read_page(real_browser, "/")
    assert rows_in(overview) == [ingest.job_id]
    assert "All 1 job" in text_of(overview)


async def test_only_jobs_that_write_bars_have_a_column_for_them(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    await plant_result(real_app, DELIVER, {"channel_id": "c" * 32}, {"channel_id": "c" * 32})
    assert not writes_bars("backtest", 0)
    assert writes_bars("backtest", 3)
    assert "Bars" not in text_of(await read_page(real_browser, "/"))
    await plant_queued(real_app)
    assert "Bars" in text_of(await read_page(real_browser, "/"))


async def test_an_empty_list_says_why_and_what_to_do(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    assert "kaboom ingest run-daily" in await read_page(real_browser, "/jobs")
    nothing = text_of(await read_page(real_browser, "/jobs?q=9999"))
    assert "No job mentions “9999”." in nothing
    assert "Clear the filters" in nothing
    assert "No job matches these filters." in text_of(await read_page(real_browser, "/jobs?status=failed"))


async def test_a_cursor_leads_to_older_jobs_and_an_old_one_to_the_first(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    made = [(await plant_queued(real_app)).job_id for _ in range(53)][::-1]
    html = await read_page(real_browser, "/jobs")
    (older,) = [tag["href"] for name, tag in tags_of(html) if tag.get("rel") == "next"]
    assert rows_in(html) + rows_in(await read_page(real_browser, older)) == made
    answer = await real_browser.get("/jobs?cursor=forged&status=failed")
    assert (answer.status_code, answer.headers["location"]) == (303, "/jobs?status=failed")


async def test_a_search_says_how_far_back_it_went_and_goes_on(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(job_list, "SEARCHED_JOBS", 2)
    made = [await plant_queued(real_app, market=market) for market in ("FILE", "TSE_GROWTH", "FILE", "FILE")]
    first = await read_page(real_browser, "/jobs?q=growth")
    assert re.search(r"No job since \d+\s\w{3}\s[\d:]{8} mentions “growth”\.", text_of(first))
    (older,) = [tag["href"] for name, tag in tags_of(first) if tag.get("rel") == "next"]
    second = await read_page(real_browser, older)
    assert rows_in(second) == [made[1].job_id]
    assert re.search(r"Searched back to \d+\s\w{3}\s[\d:]{8}\. *Search older jobs", text_of(second))
    (older,) = [tag["href"] for name, tag in tags_of(second) if tag.get("rel") == "next"]
    assert "No job mentions “growth”." in text_of(await read_page(real_browser, older))


@pytest.mark.parametrize("query", ["status=nonsense", "queue=nonsense", "q=" + "a" * 200, "cursor=" + "a" * 300])
async def test_nonsense_in_the_address_is_a_page_that_says_so(browser: httpx2.AsyncClient, query: str) -> None:
    answer = await browser.get(f"/jobs?{query}")
    assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")


async def test_hostile_text_is_text(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_queued(real_app, market=HOSTILE, intervals={HOSTILE: 1})
    html = await read_page(real_browser, "/jobs")
    assert rows_in(html) == [job.job_id]
    assert "<script>alert" not in html
    assert all("src" in tag for name, tag in tags_of(html) if name == "script")
    assert "<script>alert" not in await read_page(
        real_browser, "/jobs?q=%3Cscript%3Ealert(1)%3C/script%3E&period=%22%3E"
    )


async def test_script_in_an_error_is_text(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    error = {"type": "InvalidRequest", "message": '"><script>alert(1)</script>'}
    job = replace(await plant_queued(real_app), status=JobStatus.FAILED, completed_at=utc_now(), error=error)
    parts = jobs_of(real_app).parts
    await parts.history.save_final(job)
    await parts.store.forget(job.queue, job.job_id)
    html = await read_page(real_browser, "/jobs")
    assert rows_in(html) == [job.job_id]
    (row,) = re.findall(r'<tr id="job-.*?</tr>', html, re.DOTALL)
    # On a phone, in its own column, and in the title of that.
    assert row.count("&lt;script&gt;alert(1)") == 3
    assert [name for name, _ in tags_of(row) if name == "script"] == []


@pytest.mark.parametrize(
    ("now", "period", "since"),
    [
        ("2025-11-04T14:59:59", "today", "2025-11-04T00:00:00+09:00"),
        # It is midnight in Tokyo, and 15:00 in UTC.
        ("2025-11-04T15:00:00", "today", "2025-11-05T00:00:00+09:00"),
        ("2025-11-04T15:00:00", "7d", "2025-10-29T00:00:00+09:00"),
        ("2025-11-04T15:00:00", "any", None),
    ],
)
def test_today_begins_at_midnight_in_tokyo(now: str, period: str, since: str | None) -> None:
    assert JobFilters(period=period).since(datetime.fromisoformat(now).replace(tzinfo=UTC)) == since


@pytest.mark.parametrize(
    ("chosen", "asked"),
    [(["running"], ["running", "cancelling"]), (["failed"], ["failed"]), ([], [])],
)
def test_jobs_that_are_being_cancelled_are_listed_as_running(chosen: list[JobStatus], asked: list[str]) -> None:
    assert JobFilters(status=chosen).to_api(utc_now())["status"] == asked


async def test_other_owners_see_nothing_of_it(real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok", "provider_error")
    async with browser_of(real_app, owner="other") as browser:
        assert job.job_id not in await read_page(browser, "/jobs?period=any")
        form = {"action": "retry", "job": f"ingest/{job.job_id}"}
        assert "None of the chosen jobs fits" in (await browser.post("/jobs/preview", data=form)).text
        refused = await browser.post("/jobs/act", data=form)
        assert (refused.status_code, refused.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert len(await jobs_of(real_app).parts.history.list_jobs(JobQuery(("ingest",), OWNER))) == 1


async def test_views_are_kept_in_the_browser(real_browser: httpx2.AsyncClient) -> None:
    form = {"name": " Mine <b> ", "query": "status=failed&q=run_daily&done=retry&cursor=x"}
    answer = await real_browser.post("/jobs/views", data=form)
    assert answer.status_code == 303
    html = await read_page(real_browser, "/jobs")
    assert ("a", "/jobs?status=failed&q=run_daily") in [(n, tag.get("href")) for n, tag in tags_of(html)]
    assert "Mine &lt;b&gt;" in html
    await real_browser.post("/jobs/views", data={"drop": "Mine <b>", "query": ""})
    assert "Mine" not in await read_page(real_browser, "/jobs")
    real_browser.cookies.set("kaboom_views", "no-base64!")
    await read_page(real_browser, "/jobs")


VIEW = ["mine", "status=failed"]


@pytest.mark.parametrize(
    "kept",
    [
        [VIEW, ["alone"], ["one", "two", "three"], "ab", [1, "q=1"], ["x", None], {"name": "y"}, None],
        [["x"], VIEW],
        [[], VIEW, [["x"], "q=1"]],
    ],
)
async def test_invalid_views_of_a_cookie_are_left_out(kept: list[Any]) -> None:
    value = base64.urlsafe_b64encode(orjson.dumps(kept)).decode()
    request = Request({"type": "http", "headers": [(b"cookie", f"kaboom_views={value}".encode())]})
    assert read_views(request) == [View("mine", "status=failed")]


@pytest.mark.parametrize("value", ["", "no-base64!", "bm8=", "e30=", "MQ=="])
async def test_a_damaged_cookie_has_no_views(value: str) -> None:
    request = Request({"type": "http", "headers": [(b"cookie", f"kaboom_views={value}".encode())]})
    assert read_views(request) == []


async def test_twelve_newest_views_of_different_names_are_kept() -> None:
    views: list[View] = []
    for n in range(14):
        views = add_view(views, f"  view   {n} ", f"q={n}&cursor=x")
    assert views == [View(f"view {n}", f"q={n}") for n in range(13, 1, -1)]
    again = add_view(views, "view 5", "q=new")
    assert again == [View("view 5", "q=new"), *(view for view in views if view.name != "view 5")]
    for name, query in ((" ", "q=1"), ("x", f"q={'x' * 299}")):
        assert add_view(views, name, query) == views
    assert add_view([], "n" * 41, f"q={'x' * 298}") == [View("n" * 40, f"q={'x' * 298}")]


async def test_an_unavailable_ledger_is_reported_instead_of_the_list(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(query: Any) -> Any:
        raise StoreError("PostgreSQL did not answer in 7 s")

    monkeypatch.setattr(jobs_of(real_app).parts.history, "list_jobs", away)
    text = text_of(await read_page(real_browser, "/jobs"))
    assert "The list of jobs is not available" in text
    assert "PostgreSQL did not answer in 7 s" in text
