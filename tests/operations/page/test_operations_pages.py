"""The pages of operators: workers and providers, dead letters, webhooks, rejected rows."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.errors import StoreError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.jobs.redis.workers import WorkerFacts
from kaboom.providers.limiter.pauses import ProviderPause
from kaboom.web.services import services_of
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, refused
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.planted import plant_final, plant_running
from tests.operations.test_dead_letters import plant_dead

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\u202e\u001b[31m" + "x" * 10_000
DAY = date(2025, 11, 4)
URL = "https://hooks.example/kaboom?signature=s3cret"


def hrefs(html: str) -> set[str]:
    return {tag["href"] for name, tag in tags_of(html) if name == "a" and "href" in tag}


def with_pauses(app: FastAPI, *pauses: ProviderPause) -> None:
    async def found() -> Any:
        return pauses

    services_of(app).add(Jobs(replace(jobs_of(app).parts, pauses=found)))


class TestWorkers:
    async def test_each_worker_says_what_it_runs(self, real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
        job, _ = await plant_running(real_app)
        parts = jobs_of(real_app).parts
        facts = WorkerFacts("host-1", ("ingest",), datetime(2025, 11, 4, 5, tzinfo=UTC), 412_000_256)
        await parts.store.report_worker(parts.name, 4, facts=facts)
        html = await read_page(real_browser, "/workers")
        text = text_of(html)
        assert "1 worker online · 1 of 4 slots busy" in text
        assert "host-1" in text
        assert "412 MB" in text
        assert f"/jobs/ingest/{job.job_id}" in hrefs(html)
        async with browser_of(real_app, owner="other") as other:
            theirs = await read_page(other, "/workers")
        assert job.job_id[:8] not in theirs
        assert "a job of another team in ingest" in text_of(theirs)

    async def test_without_workers_the_page_says_how_to_start_one(self, real_browser: httpx2.AsyncClient) -> None:
        text = text_of(await read_page(real_browser, "/workers"))
        assert "No worker has been heard of in the last 15 minutes." in text
        assert "kaboom worker" in text

    async def test_each_provider_says_what_it_needs_and_its_pause(self, app: FastAPI) -> None:
        with_pauses(app, ProviderPause("yahoo", 90.0, HOSTILE))
        async with browser_of(app) as browser:
            html = await read_page(browser, "/workers")
        text = text_of(html)
        assert "JQUANTS_API_KEY is not set" in text
        assert "60 requests a minute" in text
        assert "default" in text
        assert "generated, not market data" in text
        assert "<script>alert" not in html
        assert "https://jpx-jquants.com/" in hrefs(html)

    async def test_providers_are_shown_without_redis(
        self, app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def away() -> Any:
            raise StoreError("Redis did not answer in 2.5 s")

        monkeypatch.setattr(jobs_of(app).parts.store, "workers", away)
        text = text_of(await read_page(browser, "/workers"))
        assert "The list of workers is not available Redis did not answer in 2.5 s" in text
        assert "No worker has been heard of" not in text
        assert "J-Quants API v2" in text


class TestDeadLetters:
    async def test_a_dead_letter_is_retried_after_a_preview(
        self, real_app: FastAPI, real_browser: httpx2.AsyncClient
    ) -> None:
        job_id = await plant_dead(real_app, HOSTILE)
        html = await read_page(real_browser, "/dead-letters")
        assert "<script>alert" not in html
        assert f"/jobs/ingest/{job_id}" in hrefs(html)
        (box,) = [tag for _, tag in tags_of(html) if tag.get("name") == "job"]
        form = {"action": "retry", "job": box["value"], "next": "/dead-letters"}
        assert "Retry 4 items" in text_of((await real_browser.post("/jobs/preview", data=form)).text)
        child = (await real_browser.post("/jobs/act", data=form)).headers["location"]
        assert "No chunk waits for a retry." in text_of(await read_page(real_browser, "/dead-letters"))
        assert child in hrefs(await read_page(real_browser, "/dead-letters?shown=retried"))
        async with browser_of(real_app, owner="other") as other:
            assert job_id not in await read_page(other, "/dead-letters?shown=all")

    async def test_a_viewer_cannot_retry_and_an_old_cursor_begins_anew(self, app: FastAPI) -> None:
        await plant_dead(app)
        async with browser_of(app, role="viewer") as browser:
            html = await read_page(browser, "/dead-letters?shown=all&done=retry&n=3")
            (button,) = [tag for _, tag in tags_of(html) if tag.get("name") == "action"]
            assert "disabled" in button
            assert "jobs:write" in button["title"]
            assert "3 jobs were queued to retry." in text_of(html)
            answer = await browser.get("/dead-letters?shown=all&cursor=forged")
            assert answer.headers["location"] == "/dead-letters?shown=all"
            for nonsense in ("shown=some", "n=x", "cursor=" + "a" * 300):
                assert (await browser.get(f"/dead-letters?{nonsense}")).status_code == 422


class TestWebhooks:
    async def plant(
        self,
        app: FastAPI,
        url: str = URL,
        error: str = "the receiver answered 410",
        status: DeliveryStatus = DeliveryStatus.DEAD,
    ) -> str:
        job = await plant_final(app, "ok")
        outbox = jobs_of(app).parts.history.outbox
        await outbox.register(job.job_id, url=url)
        (delivery,) = [each for each in await outbox.claim(limit=9, per_host=9, busy=()) if each.job_id == job.job_id]
        await outbox.save_attempt(delivery, AttemptEnd(status, 410, error))
        return delivery.delivery_id

    async def test_one_that_has_ended_can_be_sent_again_and_one_that_goes_on_cannot(
        self, real_app: FastAPI, real_browser: httpx2.AsyncClient
    ) -> None:
        ends = (DeliveryStatus.DEAD, DeliveryStatus.DELIVERED, DeliveryStatus.PENDING)
        planted = {await self.plant(real_app, status=status): status.is_final for status in ends}
        rows = (await read_page(real_browser, "/webhooks")).split('<tr id="')[1:]
        assert {row.partition('"')[0]: "Send again" in row for row in rows} == planted

    async def test_a_dead_one_is_sent_again(self, real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
        delivery_id = await self.plant(real_app)
        html = await read_page(real_browser, "/webhooks?status=dead")
        text = text_of(html)
        assert "hooks.example" in text
        assert "given up" in text
        assert "410" in text
        assert "Send again" in text
        form = {"next": "/webhooks?status=dead"}
        again = await real_browser.post(f"/webhooks/{delivery_id}/again", data=form)
        assert again.headers["location"] == "/webhooks?status=dead&done=again"
        shown = text_of(await read_page(real_browser, "/webhooks?done=again"))
        assert "The webhook is sent again, with the same id and body." in shown
        assert "to be sent" in shown
        assert "No webhook matches these filters." in text_of(await read_page(real_browser, "/webhooks?status=dead"))
        twice = await real_browser.post(f"/webhooks/{delivery_id}/again", data={"next": "//evil.example"})
        assert (twice.status_code, twice.headers["content-type"]) == (409, "text/html; charset=utf-8")

    async def test_hostile_text_other_owners_and_viewers(self, app: FastAPI, browser: httpx2.AsyncClient) -> None:
        assert "No webhook has been sent yet." in text_of(await read_page(browser, "/webhooks"))
        delivery_id = await self.plant(app, url="https://hooks.example/" + HOSTILE, error=HOSTILE)
        assert "<script>alert" not in await read_page(browser, "/webhooks")
        async with browser_of(app, owner="other") as other:
            assert delivery_id not in await read_page(other, "/webhooks")
            assert (await other.post(f"/webhooks/{delivery_id}/again")).status_code == 404
        async with browser_of(app, role="viewer") as viewer:
            buttons = [
                tag
                for name, tag in tags_of(await read_page(viewer, "/webhooks"))
                if tag.get("class") == "btn btn-quiet"
            ]
            assert any("disabled" in tag and "jobs:write" in tag.get("title", "") for tag in buttons)
            assert (await viewer.post(f"/webhooks/{delivery_id}/again")).status_code == 403
        for nonsense in ("status=lost", "job_id=x", "cursor=-1"):
            assert (await browser.get(f"/webhooks?{nonsense}")).status_code == 422


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[BarStore]:
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    yield store
    await store.close()


@pytest.fixture
async def reader(store: BarStore, tmp_path: Path) -> AsyncIterator[httpx2.AsyncClient]:
    async with (
        running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app,
        browser_of(app, role="viewer") as browser,
    ):
        yield browser


class TestQuarantine:
    async def test_rows_are_shown_with_their_reason(self, store: BarStore, reader: httpx2.AsyncClient) -> None:
        rows: list[tuple[Any, ...]] = [
            (f"{n}", at(DAY, n - 1301), 1.0, 2.0, 0.5, 1.5, -7.0, "bad_volume") for n in range(1301, 1420)
        ]
        rows += [
            (HOSTILE, at(DAY, 0), None, None, None, None, None, "off_grid", HOSTILE, 17),
            ("", None, 0, 0, 0, 0, 0, HOSTILE),
        ]
        await store.quarantine(MINUTES, refused(*rows))
        html = await read_page(reader, "/quarantine")
        assert "<script>alert" not in html
        assert "121 rows of synthetic, 1-minute bars" in text_of(html)
        assert "/quarantine?reason=bad_volume" in hrefs(html)
        (older,) = [tag["href"] for _, tag in tags_of(html) if tag.get("rel") == "next"]
        rest = await read_page(reader, older)
        assert html.count("<tr><td") + rest.count("<tr><td") == 121
        one = text_of(await read_page(reader, "/quarantine?symbol=1301&session=2025-11-04&reason=bad_volume"))
        assert "2025-11-04" in one
        assert "bad volume 1.0 2.0 0.5 1.5 1.0 2.0 0.5 1.5 -7.0" in one
        assert "no time" in text_of(rest)
        assert "x, line 17 " in text_of(rest)

    async def test_nothing_rejected_and_nothing_found(self, store: BarStore, reader: httpx2.AsyncClient) -> None:
        assert "No row was rejected." in text_of(await read_page(reader, "/quarantine"))
        nothing = text_of(await read_page(reader, "/quarantine?symbol=9999"))
        assert "No rejected row matches these filters. Clear the filters" in nothing
        await store.quarantine(DAILY, refused(("7203", at(DAY), 1.0, 1.0, 1.0, 1.0, 1.0, "duplicate")))
        assert "2025-11-04 7203" in text_of(await read_page(reader, "/quarantine?interval=1d"))
        answer = await reader.get("/quarantine?cursor=forged&symbol=7203")
        assert answer.headers["location"] == "/quarantine?symbol=7203"

    @pytest.mark.parametrize("query", ["session=today", "provider=bloomberg", "reason=%3Cb%3E"])
    async def test_errors_of_the_api_are_shown_above_the_form(self, reader: httpx2.AsyncClient, query: str) -> None:
        answer = await reader.get(f"/quarantine?{query}")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
        assert [tag for name, tag in tags_of(answer.text) if tag.get("role") == "alert"]
        assert [tag for name, tag in tags_of(answer.text) if tag.get("name") == "session"]


@pytest.mark.parametrize("path", ["/workers", "/webhooks", "/dead-letters", "/quarantine", "/more", "/schedules/new"])
async def test_pages_are_japanese_for_a_japanese_reader(app: FastAPI, path: str) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as browser:
        html = await read_page(browser, path)
    assert '<html lang="ja"' in html
    assert "その他" in text_of(html)


async def test_the_phone_finds_every_place_under_more(app: FastAPI) -> None:
    async with browser_of(app, role="viewer") as viewer, browser_of(app) as admin:
        html = await read_page(viewer, "/more")
        assert {"/schedules", "/workers", "/webhooks", "/quarantine"} <= hrefs(html)
        assert "/settings" not in hrefs(html)
        assert "needs the scope admin" in text_of(html)
        assert "/settings" in hrefs(await read_page(admin, "/more"))
