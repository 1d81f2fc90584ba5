"""The page of one job: its head, what became of its items, what happened, its log, and what can be done."""

import re

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.analysis.jobs import ANALYSE
from kaboom.backtest.jobs import RUN
from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.redis.events import EventHub, Feed, FeedKey
from kaboom.jobs.redis.lines import JobLine
from kaboom.jobs.redis.store import Ending
from kaboom.market_data.jobs import TAKE_BACK
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.browsers import browser_of, tags_of, text_of
from tests.fixtures.jobs.planted import plant_example, plant_final, plant_queued, plant_result, plant_running

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\u202e\u001b[31m" + "x" * 3_000


async def read(browser: httpx2.AsyncClient, path: str) -> str:
    answer = await browser.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8"), answer.text
    return answer.text


def part_of(html: str, heading: str) -> str:
    """Return what a section says, by the id of its heading."""
    found = re.search(rf'<section[^>]*aria-labelledby="{heading}".*?</section>', html, re.DOTALL)
    assert found
    return text_of(found[0])


async def test_an_ended_job_accounts_for_every_item(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "ok", "not_listed", "rate_limited", "provider_error")
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    text = text_of(html)
    assert "Daily ingest TSE Prime · 1m · synthetic partial 3 of 5 symbols ended well, 2 failed" in text
    assert "Retry 2 failed…" in text
    outcomes = part_of(html, "ho")
    assert "5 asked for, 5 outcomes: every one is accounted for" in outcomes
    assert "rate_limited 1 20.0%" in outcomes
    assert "5 flag" not in outcomes
    assert "5 bars have a flag stale 5. Stored all the same." in part_of(html, "hat")
    failures = part_of(html, "hf")
    assert "All 2 rate limited 1 provider error 1" in failures
    assert "said so" in failures
    assert '{"1m": 1}' in part_of(html, "hp")
    # The command line takes no part of an id.
    assert f"kaboom jobs retry {job.job_id}" in part_of(html, "hp")
    assert "1 chunk, slots: 1" in part_of(html, "hg")


async def test_a_job_without_chunks_shows_its_result(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    request = {"interval": "1d", "provider": "file", "reason": "off_grid"}
    result = {"provider": "file", "interval": "1d", "taken_back": 3, "left": 1, "reasons": {"off_grid": 3}}
    job = await plant_result(real_app, TAKE_BACK, request, result)
    html = await read(real_browser, f"/jobs/market-data/{job.job_id}")
    assert part_of(html, "ho") == 'Result provider file interval 1d taken_back 3 left 1 reasons {"off_grid":3}'
    assert "Bars written" not in text_of(html)


async def test_a_job_with_a_page_of_its_own_links_to_it(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_result(real_app, RUN, {"strategy": "buy_and_hold", "symbols": ["7203"]}, {"bars": 5})
    html = await read(real_browser, f"/jobs/backtest/{job.job_id}")
    assert any(tag.get("href") == f"/backtests/{job.job_id}" for _, tag in tags_of(html))
    assert part_of(html, "ho") == "Outcomes –"
    job = await plant_result(real_app, ANALYSE, {"symbols": ["7203"]}, {"kind": "symbols"})
    html = await read(real_browser, f"/jobs/ai-analysis/{job.job_id}")
    assert any(tag.get("href") == f"/analyses/{job.job_id}" for _, tag in tags_of(html))


async def test_failures_are_filtered_by_reason(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "rate_limited", "provider_error")
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}?outcome=provider_error")
    assert html.count('<th scope="row"><a href="/symbols/') == 1
    assert "No failure of this kind." in part_of(
        await read(real_browser, f"/jobs/ingest/{job.job_id}?outcome=write_failed"), "hf"
    )


async def test_many_failures_are_shown_on_demand(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, *["provider_error"] * 23)
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    assert "3 more" in part_of(html, "hf")
    every = await read(real_browser, f"/jobs/ingest/{job.job_id}?shown=all")
    assert every.count('<th scope="row"><a href="/symbols/') == 23


@pytest.mark.parametrize(("language", "name"), [("en", "TOYOTA MOTOR CORPORATION"), ("ja", "トヨタ自動車")])
async def test_failed_symbols_have_names_in_the_language_of_the_page(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, language: str, name: str
) -> None:
    job = await plant_example(real_app, RUN_DAILY)
    await real_browser.get(f"/prefer?lang={language}")
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    assert f'lang="{language}">{name}</bdi>' in html


async def test_failures_lead_to_their_symbols_and_are_a_file(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    job = await plant_final(real_app, "ok", "provider_error", "rate_limited")
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    items = (await real_browser.get(f"/api/v1/ingest/jobs/{job.job_id}/failures")).json()["items"]
    linked = [tag["href"] for _, tag in tags_of(html) if tag.get("href", "").startswith("/symbols/")]
    assert linked == [f"/symbols/{each['item']}?interval=1m&session=2025-11-04" for each in items]
    path = f"/jobs/ingest/{job.job_id}/failures.csv"
    answer = await real_browser.get(path)
    assert answer.headers["content-disposition"] == f'attachment; filename="failures-{job.job_id[:8]}.csv"'
    lines = answer.content.decode("utf-8-sig").splitlines()
    assert lines[0] == "item,interval,outcome,attempts,message"
    assert [line.split(",")[2] for line in lines[1:]] == ["provider_error", "rate_limited"]
    one = await real_browser.get(path, params={"outcome": "rate_limited"})
    assert len(one.text.splitlines()) == 2
    assert (await real_browser.get(f"/jobs/ingest/{'0' * 32}/failures.csv")).status_code == 404


async def test_a_running_job_says_how_far_it_is(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job, _ = await plant_running(real_app, "ok", "provider_error", size=8)
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    text = text_of(html)
    assert "25.0 %" in text
    assert "2 of 8 symbols are settled, 1 of them failed." in text
    assert "so far; 6 are still to come" in text
    buttons = {tag["value"]: "disabled" in tag for name, tag in tags_of(html) if tag.get("name") == "action"}
    assert buttons == {"retry": True, "cancel": False}
    streams = [tag["data-stream"] for _, tag in tags_of(html) if "data-stream" in tag]
    assert streams == [f"/api/v1/ingest/jobs/{job.job_id}/logs?level=debug"]


async def test_a_queued_job_says_what_it_waits_for(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_queued(real_app)
    text = text_of(await read(real_browser, f"/jobs/ingest/{job.job_id}"))
    assert "no worker is online" in text
    assert "0.0 %" not in text


async def test_a_broken_run_is_reported_in_plain_words(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job, claim = await plant_running(real_app, "ok", size=4)
    await jobs_of(real_app).parts.store.end(
        claim.lease, Ending.BROKEN, claim.chunk.tally, error="StoreError: disk full"
    )
    happened = part_of(await read(real_browser, f"/jobs/ingest/{job.job_id}"), "hat")
    assert "Chunk 0 broke" in happened
    assert "StoreError: disk full" in happened


async def test_the_log_is_text_and_can_be_cut_to_warnings(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job, _ = await plant_running(real_app, "ok")
    lines = [
        JobLine(utc_now().isoformat(), level, "chunk_broken", {"error": HOSTILE, "n": 1}).to_json()
        for level in ("info", "warning")
    ]
    await jobs_of(real_app).parts.events.write_lines({FeedKey("ingest", job.job_id, Feed.LINES): lines})
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    assert "<script>alert" not in html
    assert html.count("&lt;script&gt;alert(1)") == 2
    only = await read(real_browser, f"/jobs/ingest/{job.job_id}?level=warning")
    assert only.count("&lt;script&gt;alert(1)") == 1


async def test_a_search_of_the_log_keeps_its_level_and_leads_to_a_file(
    real_app: FastAPI, real_browser: httpx2.AsyncClient
) -> None:
    job, _ = await plant_running(real_app, "ok")
    words = [("info", "chunk_started"), ("warning", "chunk_broken"), ("warning", "chunk_paused")]
    lines = [JobLine(utc_now().isoformat(), level, event, {}).to_json() for level, event in words]
    await jobs_of(real_app).parts.events.write_lines({FeedKey("ingest", job.job_id, Feed.LINES): lines})
    path = f"/jobs/ingest/{job.job_id}"
    html = await read(real_browser, f"{path}?level=warning&q=CHUNK+broken")
    log = part_of(html, "hl")
    assert "1 line has the words" in log
    assert ("chunk_broken" in log, "chunk_paused" in log, "chunk_started" in log) == (True, False, False)
    files = [tag["href"] for name, tag in tags_of(html) if "download" in tag and "/logs" in tag["href"]]
    assert (
        files[0]
        == f"/api/v1{path}".replace("/jobs/ingest", "/ingest/jobs") + "/logs?level=warning&q=CHUNK+broken&format=txt"
    )
    text = (await real_browser.get(files[0])).text
    assert text.splitlines() == [line for line in text.splitlines() if "chunk_broken" in line] != []
    assert "No line has these words." in part_of(await read(real_browser, f"{path}?q=nothing"), "hl")


async def test_a_long_log_says_how_to_read_its_beginning(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job, _ = await plant_running(real_app, "ok")
    lines = [JobLine(utc_now().isoformat(), "info", "chunk_started", {"n": n}).to_json() for n in range(203)]
    await jobs_of(real_app).parts.events.write_lines({FeedKey("ingest", job.job_id, Feed.LINES): lines})
    text = text_of(await read(real_browser, f"/jobs/ingest/{job.job_id}"))
    assert f"3 earlier lines: kaboom jobs logs {job.job_id}" in text


@pytest.mark.parametrize("level", ["debug", "warning"])
async def test_what_happened_says_why_it_was_cancelled_and_retried(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, level: str
) -> None:
    job, _ = await plant_running(real_app, "ok")
    logged: list[tuple[str, dict[str, str]]] = [
        ("cancel_asked", {}),
        ("cancel_asked", {"reason": HOSTILE}),
        ("job_retried", {"reason": "a trial"}),
    ]
    lines = [JobLine(utc_now().isoformat(), "info", event, fields).to_json() for event, fields in logged]
    await jobs_of(real_app).parts.events.write_lines({FeedKey("ingest", job.job_id, Feed.LINES): lines})
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}?level={level}")
    happened = html.split('id="hat"')[1].split("</section>")[0]
    assert happened.count("The job was cancelled") == 1
    assert "&lt;script&gt;alert(1)" in happened
    assert "<script>" not in html
    assert re.search(r"The job was retried At \d\d:\d\d:\d\d: a trial", text_of(happened))


async def test_another_owners_job_and_nonsense_are_not_found(real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok")
    async with browser_of(real_app, owner="other") as browser:
        for path in (f"/jobs/ingest/{job.job_id}", "/jobs/ingest/" + "0" * 32, f"/jobs/nothing/{job.job_id}"):
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
        assert (await browser.get("/jobs/ingest/nonsense")).status_code == 404


async def test_run_again_asks_first_and_makes_a_child(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "ok")
    form = {"action": "again", "job": f"ingest/{job.job_id}"}
    assert "Run 1 job again?" in text_of((await real_browser.post("/jobs/preview", data=form)).text)
    answer = await real_browser.post("/jobs/act", data=form)
    child = await read(real_browser, answer.headers["location"])
    assert f"Attempt 1 {job.job_id[:8]}" in part_of(child, "hrel")
    parent = part_of(await read(real_browser, f"/jobs/ingest/{job.job_id}"), "hrel")
    child_id = answer.headers["location"].rpartition("/")[2]
    assert f"Attempt 1 {job.job_id[:8]} this job" in parent
    assert f"Attempt 2 {child_id[:8]}" in parent
    # A job that stands alone has no picture.
    alone = await plant_queued(real_app)
    assert 'id="hrel"' not in await read(real_browser, f"/jobs/ingest/{alone.job_id}")


async def test_the_rest_of_the_page_survives_an_unavailable_part(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = await plant_final(real_app, "ok", "provider_error")

    async def away(*_: object, **__: object) -> None:
        raise StoreError("Redis did not answer in 2.5 s")

    monkeypatch.setattr(services_of(real_app).find(EventHub), "read", away)
    html = await read(real_browser, f"/jobs/ingest/{job.job_id}")
    assert "The log is not available Redis did not answer in 2.5 s" in part_of(html, "hl")
    assert "2 asked for, 2 outcomes" in text_of(html)


async def test_the_page_is_complete_in_japanese(real_app: FastAPI) -> None:
    job = await plant_final(real_app, "ok", "rate_limited")
    async with browser_of(real_app, **{"accept-language": "ja"}) as browser:
        text = text_of(await read(browser, f"/jobs/ingest/{job.job_id}"))
    assert "日次取り込み 東証プライム · 1m · synthetic" in text
    assert "2銘柄中1銘柄が正常終了、失敗1銘柄" in text
    assert "対象2件、結果2件：すべての結果がそろっています" in text
