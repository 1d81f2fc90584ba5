"""All queues at a glance, and over time."""

from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.planted import plant_final, plant_running
from tests.jobs.api.test_all_jobs import plant

pytestmark = pytest.mark.anyio
STATS, SERIES = "/api/v1/jobs/stats", "/api/v1/stats/series"


async def get(http: httpx2.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_statistics_of_all_queues_are_the_sums_of_each(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    await plant(real_app, "imm")
    await plant_running(real_app)
    await jobs_of(real_app).parts.store.report_worker("w1", 4)
    found = await get(real_http, STATS)
    of_each = {each["queue"]: each for each in found["queues"]}
    assert set(of_each) == {"ingest", "market_data", "backtest", "ai_analysis", "notifications"}
    assert found["by_status"]["queued"] == sum(each["by_status"]["queued"] for each in of_each.values()) >= 3
    assert found["waiting_messages"] == sum(each["waiting_messages"] for each in of_each.values()) >= 3
    assert (found["running_chunks"], found["workers_online"], found["slots_online"]) == (1, 1, 4)
    waited = [each["oldest_queued_s"] for each in of_each.values() if each["oldest_queued_s"] is not None]
    assert len(waited) == 2
    assert found["oldest_queued_s"] == max(waited)


async def test_the_series_ends_now_and_begins_hours_ago(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "invalid")
    found = await get(real_http, SERIES)
    assert (found["step_min"], len(found["begins_at"])) == (15, 96)
    times = [datetime.fromisoformat(text) for text in found["begins_at"]]
    assert all(at.minute % 15 == 0 and at.second == 0 for at in times)
    live = await get(real_http, f"/api/v1/ingest/jobs/{job.job_id}")
    assert times[-1] <= datetime.fromisoformat(live["completed_at"])
    (ingest,) = [queue for queue in found["queues"] if queue["queue"] == "ingest"]
    assert (sum(ingest["settled"]), sum(ingest["failed"])) == (2, 1)
    assert sum(ingest["finished"]["partial"]) == 1
    assert all(len(values) == 96 for values in (ingest["settled"], ingest["failed"], ingest["waiting"]))
    one = await get(real_http, f"{SERIES}?hours=1&step_min=7&queue=market_data")
    assert ([queue["queue"] for queue in one["queues"]], len(one["begins_at"])) == (["market_data"], 9)


@pytest.mark.parametrize("query", ["hours=0", "step_min=0", "hours=744&step_min=1", "hours=999999", "queue=x", "day=1"])
async def test_what_no_chart_could_draw_is_refused(real_http: httpx2.AsyncClient, query: str) -> None:
    assert (await real_http.get(f"{SERIES}?{query}")).status_code == 422


async def test_steps_that_are_too_short_are_refused_with_the_shortest_that_fit(real_http: httpx2.AsyncClient) -> None:
    refused = await real_http.get(f"{SERIES}?hours=744&step_min=29")
    assert refused.json()["detail"] == "step_min was 29, expected 30 or more for 744 hours"
    assert (await real_http.get(f"{SERIES}?hours=744&step_min=30")).status_code == 200
