"""Live rows: changes arrive, are rendered once for all viewers of one owner and language, and nothing is missed."""

import asyncio
from collections import Counter
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import pytest
from fastapi import FastAPI

from kaboom.dashboard import live
from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.renderer import Pages
from kaboom.dashboard.viewer import Viewer
from kaboom.errors import StoreError
from kaboom.jobs.postgres.port import JobQuery
from kaboom.web.services import services_of
from tests.fixtures.jobs.analyses import ANALYSE
from tests.fixtures.jobs.apps import client_of, jobs_of
from tests.fixtures.jobs.planted import plant_final, plant_queued, plant_running
from tests.fixtures.jobs.streams import open_stream

pytestmark = pytest.mark.anyio
LIVE = "/live/jobs"


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_EVERY_S", 0.05)
    monkeypatch.setattr(live, "_CHECK_S", 0.2)


async def test_a_page_sees_a_job_begin_and_end(real_app: FastAPI) -> None:
    queued = await plant_queued(real_app)
    async with open_stream(real_app, LIVE) as stream:
        assert 'id="job-' in await stream.until(queued.job_id)
        running, _ = await plant_running(real_app, "ok", size=4)
        await stream.until(f'<tr id="job-{running.job_id}"')
        await jobs_of(real_app).parts.store.cancel("ingest", queued.job_id)
        await stream.until("cancelled")
    assert stream.status == 200


async def test_a_job_that_ended_while_its_page_was_made_is_reported(real_app: FastAPI) -> None:
    ended = await plant_final(real_app, "ok")
    async with open_stream(real_app, LIVE) as stream:
        assert "completed" in await stream.until(ended.job_id)


async def test_a_running_job_of_thousands_is_reported(real_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_CHECKED", ({"status": ["queued"], "limit": 1},))
    running, _ = await plant_running(real_app, "ok", size=4)
    for _ in range(3):
        await plant_queued(real_app)
    async with open_stream(real_app, LIVE) as stream:
        before = await stream.until(f'<tr id="job-{running.job_id}"')
        assert "cancelling" not in before
        await jobs_of(real_app).parts.store.cancel("ingest", running.job_id)
        after = (await stream.until("cancelling")).removeprefix(before)
    assert (after.count(f'<tr id="job-{running.job_id}"'), after.count("<tr ")) == (1, 1)


async def test_many_viewers_cost_one_rendering(real_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: Counter[tuple[str, str]] = Counter()
    render = Pages.render

    async def counted(self: Pages, template: str, viewer: Viewer, values: Mapping[str, Any]) -> str:
        rendered[viewer.language, values["row"].job.job_id] += 1
        return await render(self, template, viewer, values)

    monkeypatch.setattr(Pages, "render", counted)
    async with AsyncExitStack() as stack:
        streams = [await stack.enter_async_context(open_stream(real_app, LIVE)) for _ in range(50)]
        streams += [await stack.enter_async_context(open_stream(real_app, LIVE, language="ja")) for _ in range(50)]
        job = await plant_queued(real_app)
        await asyncio.gather(*(stream.until(job.job_id) for stream in streams))
    assert rendered == {("en", job.job_id): 1, ("ja", job.job_id): 1}


async def test_another_owner_sees_nothing(real_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_PING_S", 0.2)
    async with open_stream(real_app, LIVE, owner="other") as other, open_stream(real_app, LIVE) as ours:
        job = await plant_queued(real_app)
        await ours.until(job.job_id)
        # A ping comes some looks later than the one that found it for us.
        other.text = ""
        await other.until(": ping")
    assert job.job_id not in other.text


async def test_rows_are_shared_by_viewers_of_the_same_scopes_only(real_app: FastAPI) -> None:
    async with (
        open_stream(real_app, LIVE) as wide,
        open_stream(real_app, LIVE, owner="ingest:viewer-portfolios:read") as narrow,
        client_of(real_app) as http,
    ):
        job_id = (await http.post(ANALYSE, json={"portfolio_id": "0" * 32})).json()["job_id"]
        await asyncio.gather(*(stream.until(f'<tr id="job-{job_id}"') for stream in (wide, narrow)))
        await http.post(f"/api/v1/ai-analysis/jobs/{job_id}/cancel")
        await asyncio.gather(*(stream.until("cancelled") for stream in (wide, narrow)))
    assert ["portfolios:read" in stream.text for stream in (wide, narrow)] == [False, True]


async def test_a_page_that_comes_back_misses_nothing(real_app: FastAPI) -> None:
    first = await plant_queued(real_app)
    async with open_stream(real_app, LIVE) as stays, open_stream(real_app, LIVE) as leaves:
        await asyncio.gather(stays.until(first.job_id), leaves.until(first.job_id))
        await leaves.until("\nid: ")
        last = leaves.last_id
        leaves.is_gone.set()
        second = await plant_queued(real_app)
        await stays.until(second.job_id)
        async with open_stream(real_app, LIVE, query=f"after={last}") as back:
            text = await back.until(second.job_id)
    assert first.job_id not in text
    assert "event: reload" not in text


async def test_a_page_misses_nothing_of_a_process_that_was_killed(real_app: FastAPI) -> None:
    async with open_stream(real_app, LIVE) as stream:
        first = await plant_queued(real_app)
        await stream.until(first.job_id)
        await stream.until("\nid: ")
        last = stream.last_id
    missed = await plant_queued(real_app)
    # Nobody watches now, so nothing of the first stream is kept, as in another process.
    assert services_of(real_app).find(LiveRows)._channels == {}
    async with open_stream(real_app, LIVE, query=f"after={last}") as back:
        text = await back.until(missed.job_id)
    assert first.job_id not in text
    assert "event: reload" not in text


async def test_a_page_that_missed_too_much_loads_its_rows_anew(real_app: FastAPI) -> None:
    async with open_stream(real_app, LIVE) as stays:
        await stays.until((await plant_queued(real_app)).job_id)
        async with open_stream(real_app, LIVE, query="after=1-1") as back:
            text = await back.until("\nid: ")
            assert (text.count("event: reload"), "<tr " in text) == (1, False)
            # Where it goes on from, should it come back once more.
            assert back.last_id == stays.last_id


@pytest.mark.parametrize("after", ["0000-x", "nonsense", "-", "1-" + "9" * 40])
async def test_an_invalid_id_reloads_the_rows(real_app: FastAPI, after: str) -> None:
    async with open_stream(real_app, LIVE, query=f"after={after}") as stream:
        text = await stream.until("event: reload")
    assert stream.status == 200
    assert "<tr " not in text


async def test_an_unavailable_list_is_reported_until_it_is_back(
    real_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_PING_S", 1.0)
    history = jobs_of(real_app).parts.history
    with monkeypatch.context() as away:

        async def refuse(query: JobQuery) -> Any:
            raise StoreError("PostgreSQL did not answer in 7 s")

        away.setattr(history, "list_jobs", refuse)
        async with open_stream(real_app, LIVE) as stream:
            await stream.until("PostgreSQL did not answer in 7 s")
            # A ping comes after some more looks that found the same.
            await stream.until(": ping")
            away.undo()
            text = await stream.until("event: away\ndata: \n")
    assert text.count("event: away") == 2


async def test_nobody_watches_and_nothing_is_asked(real_app: FastAPI) -> None:
    async with open_stream(real_app, LIVE) as stream:
        await stream.until("rows of jobs")
        assert len(services_of(real_app).find(LiveRows)._channels) == 1
    assert services_of(real_app).find(LiveRows)._channels == {}


async def test_a_stream_ends_so_that_its_viewer_is_authenticated_again(
    real_app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live, "_LIFE_S", 0.05)
    monkeypatch.setattr(live, "_PING_S", 0.05)
    async with open_stream(real_app, LIVE) as stream:
        text = await stream.until_over()
    assert text.endswith("event: again\ndata: 1\n\n")
    assert text.count("event: ") == 1
