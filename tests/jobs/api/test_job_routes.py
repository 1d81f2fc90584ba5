"""The job routes on a real Redis and ledger: what they show, and what they allow in which state."""

from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.model import Pace
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.redis_store import RedisJobStore
from tests.fixtures.jobs.apps import JOBS, jobs_of
from tests.fixtures.jobs.jobs import advance
from tests.fixtures.jobs.planted import plant_final, plant_queued, plant_running

pytestmark = pytest.mark.anyio


async def get(http: httpx2.AsyncClient, path: str) -> Any:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


async def ids(http: httpx2.AsyncClient, query: str = "") -> list[str]:
    return [job["job_id"] for job in (await get(http, f"{JOBS}{query}"))["items"]]


async def test_pages_hold_every_job_once_newest_first(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    made = [(await plant_queued(real_app)).job_id for _ in range(5)]
    seen, path = [], f"{JOBS}?limit=2"
    while path:
        answer = await real_http.get(path)
        seen += [job["job_id"] for job in answer.json()["items"]]
        link = answer.headers.get("link")
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
        assert bool(path) == (answer.json()["next_cursor"] is not None)
    assert seen == made[::-1]


async def test_a_page_stays_in_place_while_jobs_come(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    made = [(await plant_queued(real_app)).job_id for _ in range(3)]
    cursor = (await get(real_http, f"{JOBS}?limit=1"))["next_cursor"]
    await plant_queued(real_app)
    assert await ids(real_http, f"?cursor={cursor}") == made[1::-1]


async def test_the_next_page_keeps_the_filter(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    for _ in range(2):
        await plant_queued(real_app)
    answer = await real_http.get(f"{JOBS}?status=queued&limit=1")
    assert "status=queued" in answer.headers["link"]
    assert "limit=1" in answer.headers["link"]


async def test_a_cursor_is_good_for_its_own_list_only(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    for _ in range(3):
        await plant_queued(real_app)
    cursor = (await get(real_http, f"{JOBS}?limit=1&status=queued"))["next_cursor"]
    assert len(await ids(real_http, f"?status=queued&limit=2&cursor={cursor}")) == 2
    tampered = cursor[:-2] + ("A" if cursor[-2] != "A" else "B") + cursor[-1]
    others = (
        "",
        "status=queued&q=prime",
        "status=queued&since=2020-01-01T00:00Z",
        "status=queued&until=2099-01-01T00:00Z",
    )
    for query in (*(f"{other}&cursor={cursor}" for other in others), f"status=queued&cursor={tampered}"):
        answer = await real_http.get(f"{JOBS}?{query}")
        assert answer.status_code == 400, query
        assert answer.json()["type"].endswith("/bad-cursor"), query


async def test_jobs_are_searched_page_by_page(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    made = [(await plant_queued(real_app, symbols=["7203"])).job_id for _ in range(3)]
    await plant_queued(real_app, symbols=["1301"])
    first = await real_http.get(f"{JOBS}?q=prime%207203&limit=2")
    rest = (await get(real_http, first.headers["link"].partition(">")[0].removeprefix("<")))["items"]
    assert [job["job_id"] for job in first.json()["items"] + rest] == made[::-1]
    assert await ids(real_http, f"?q={made[0][:12]}") == [made[0]]
    assert await ids(real_http, "?q=%25") == []


async def test_jobs_are_listed_by_their_live_state(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    queued = (await plant_queued(real_app)).job_id
    running = (await plant_running(real_app, "ok"))[0].job_id
    partial = (await plant_final(real_app, "ok", "provider_error")).job_id
    assert await ids(real_http, "?status=queued") == [queued]
    assert await ids(real_http, "?status=running") == [running]
    assert await ids(real_http, "?status=partial&status=queued") == [partial, queued]
    assert await ids(real_http, "?status=failed") == []
    assert await ids(real_http) == [partial, running, queued]


async def test_jobs_since_a_moment(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    await plant_queued(real_app)
    later = await plant_queued(real_app)
    assert later.requested_at
    moment = later.requested_at.isoformat().replace("+", "%2B")
    assert await ids(real_http, f"?since={moment}") == [later.job_id]
    assert later.job_id not in await ids(real_http, f"?until={moment}")
    for extreme in ("0001-01-01T00:00:00%2B14:00", "9999-12-31T23:59:59-14:00"):
        assert (await real_http.get(f"{JOBS}?since={extreme}&until={extreme}")).status_code == 200


async def test_a_job_of_another_owner_is_not_there(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    other = (await plant_queued(real_app, owner="somebody else")).job_id
    assert await ids(real_http) == []
    for method, path in (("GET", ""), ("GET", "/failures"), ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", "")):
        assert (await real_http.request(method, f"{JOBS}/{other}{path}")).status_code == 404
    assert (await jobs_of(real_app).parts.store.load("ingest", [other]))[0] is not None


async def test_progress_is_reported_while_a_job_runs(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, _ = await plant_running(real_app, "ok", "not_listed", "provider_error")
    shown = await get(real_http, f"{JOBS}/{job.job_id}")
    assert shown["status"] == "running"
    progress = shown["progress"]
    assert (progress["done"], progress["failed"], progress["total"], progress["percent"]) == (2, 1, 4, 75.0)
    assert shown["result"]["outcomes"] == {"ok": 1, "not_listed": 1, "provider_error": 1}
    assert set(shown["links"]) == {"self", "chunks", "events", "logs", "failures", "cancel", "retry"}


async def test_a_page_whose_jobs_changed_meanwhile_still_leads_on(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    # The ledger calls all of them queued; what Redis says of one leaves it out of its page.
    first, _ = [await plant_queued(real_app) for _ in range(2)]
    (await plant_running(real_app, "ok"))[0]
    last = await plant_queued(real_app)
    page = await get(real_http, f"{JOBS}?status=queued&limit=2")
    assert [job["job_id"] for job in page["items"]] == [last.job_id]
    assert page["next_cursor"]
    rest = await ids(real_http, f"?status=queued&limit=2&cursor={page['next_cursor']}")
    assert rest[-1] == first.job_id
    assert len(rest) == 2


async def test_the_rate_of_a_running_job_is_that_of_the_last_seconds(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    job, claim = await plant_running(real_app, size=40)
    store = jobs_of(real_app).parts.store
    assert isinstance(store, RedisJobStore)
    key = keys.job("ingest", job.job_id)

    async def settle(items: int, within_s: float) -> Any:
        """Settle so many items, as if so many seconds had gone since the rate was last measured."""
        now_s, micro_s = await store._redis.time()
        before = {"rate_at": within_s, "started_at": 20}
        now_ms = now_s * 1000 + micro_s / 1000
        await store._redis.hset(key, mapping={name: str(int(now_ms - s * 1000)) for name, s in before.items()})
        await store.beat(claim.lease, advance(claim.chunk, ["ok"] * items))
        return (await get(real_http, f"{JOBS}/{job.job_id}"))["progress"]

    progress = await settle(1, 1)
    assert progress["rate"] == pytest.approx(1, abs=0.2)
    # The ETA is shown from 5 % settled on.
    assert progress["eta_s"] is progress["eta_low_s"] is None
    progress = await settle(11, 8)
    # 10 items in 8 s, smoothed over ten: 1 + (1 - exp(-0.8)) * (1.25 - 1)
    assert progress["rate"] == pytest.approx(1.14, abs=0.1)
    assert progress["eta_s"] == pytest.approx(29 / 1.14, rel=0.1)
    (live,) = await store.load("ingest", [job.job_id])
    assert live is not None
    # The scripts measure as Python does.
    assert live.rate_spread == pytest.approx(Pace(1.0).after(10, 8).spread, rel=0.4)
    assert progress["eta_low_s"] < progress["eta_s"] < progress["eta_high_s"]
    assert [j["progress"]["eta_s"] for j in (await get(real_http, JOBS))["items"]] == [progress["eta_s"]]


async def test_a_job_that_did_not_change_is_not_sent_again(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, claim = await plant_running(real_app, "ok")
    first = await real_http.get(f"{JOBS}/{job.job_id}")
    assert first.headers["cache-control"] == "private, no-store"
    assert first.headers["retry-after"] == "1"
    etag = first.headers["etag"]
    for tags in (etag, f'"other", {etag}'):
        same = await real_http.get(f"{JOBS}/{job.job_id}", headers={"If-None-Match": tags})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", etag)
    await jobs_of(real_app).parts.store.cancel("ingest", job.job_id)
    changed = await real_http.get(f"{JOBS}/{job.job_id}", headers={"If-None-Match": etag})
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag
    assert claim.chunk.items


async def test_nobody_is_asked_to_come_back_for_a_final_job(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok")
    assert "retry-after" not in (await real_http.get(f"{JOBS}/{job.job_id}")).headers


async def test_a_job_that_redis_lost_is_recovering(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_queued(real_app)
    store = jobs_of(real_app).parts.store
    await store.report_worker("w1", 4)
    assert (await get(real_http, f"{JOBS}/{job.job_id}"))["health"] == "ok"
    await store.forget("ingest", job.job_id)
    # The reaper leaves a job that young alone.
    assert (await get(real_http, f"{JOBS}/{job.job_id}"))["health"] == "recovering"
    assert [j["health"] for j in (await get(real_http, JOBS))["items"]] == ["recovering"]


async def test_stats_count_jobs_by_state(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    await plant_queued(real_app)
    await plant_final(real_app, "ok")
    await plant_final(real_app, "ok", "invalid")
    await jobs_of(real_app).parts.store.report_worker("w1", 4)
    stats = await get(real_http, f"{JOBS}/stats")
    assert stats["queue"] == "ingest"
    assert stats["by_status"] == {
        "queued": 1, "running": 0, "cancelling": 0, "completed": 1, "partial": 1, "failed": 0, "cancelled": 0,
    }  # fmt: skip
    assert (stats["throughput_1m"], stats["throughput_1h"], stats["success_rate_24h"]) == (2, 2, 0.5)
    assert (stats["workers_online"], stats["slots_online"]) == (1, 4)
    assert stats["oldest_queued_s"] >= 0
    assert 0 <= stats["p50_runtime_s"] <= stats["p95_runtime_s"]


async def test_failures_come_in_pages(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "invalid", "not_listed", "provider_error", "invalid")
    first = await get(real_http, f"{JOBS}/{job.job_id}/failures?limit=2")
    assert first["total"] == 3
    assert [f["outcome"] for f in first["items"]] == ["invalid", "provider_error"]
    assert {"interval": "1m", "message": "said so", "attempts": 1}.items() <= first["items"][0].items()
    second = await get(real_http, f"{JOBS}/{job.job_id}/failures?limit=2&cursor={first['next_cursor']}")
    assert ([f["outcome"] for f in second["items"]], second["next_cursor"]) == (["invalid"], None)
    asked = await get(real_http, f"{JOBS}/{job.job_id}/failures?outcome=not_listed&outcome=ok")
    assert [f["outcome"] for f in asked["items"]] == ["not_listed"]


async def test_a_queued_job_is_cancelled_at_once_and_only_once(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    job = await plant_queued(real_app)
    answer = await real_http.post(f"{JOBS}/{job.job_id}/cancel")
    assert (answer.status_code, answer.json()) == (202, {"job_id": job.job_id, "status": "cancelled"})
    again = await real_http.post(f"{JOBS}/{job.job_id}/cancel")
    assert again.status_code == 409
    assert "was cancelled" in again.json()["detail"]


async def test_a_running_job_is_asked_to_stop(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job, claim = await plant_running(real_app, "ok")
    for _ in range(2):
        answer = await real_http.post(f"{JOBS}/{job.job_id}/cancel")
        assert (answer.status_code, answer.json()["status"]) == (202, "cancelling")
    assert await jobs_of(real_app).parts.store.beat(claim.lease, claim.chunk.tally) == "cancel"


async def test_a_retry_is_a_child_with_only_what_failed(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "provider_error", "not_listed", "write_failed")
    failed = (await get(real_http, f"{JOBS}/{job.job_id}/failures"))["items"]
    answer = await real_http.post(f"{JOBS}/{job.job_id}/retry", json={"only": "failed"})
    assert answer.status_code == 202
    child = await get(real_http, answer.headers["location"])
    assert (child["parent_id"], child["attempt"], child["status"]) == (job.job_id, 2, "queued")
    kept = await jobs_of(real_app).parts.history.load("ingest", child["job_id"])
    assert kept
    assert kept.request["only"] == {"1m": [f["item"] for f in failed]}
    assert kept.request["session"] == "2025-11-04"
    # The finished job stays as it is.
    assert (await get(real_http, f"{JOBS}/{job.job_id}"))["status"] == "partial"
    await real_http.post(child["links"]["cancel"])
    third = await get(real_http, (await real_http.post(child["links"]["retry"])).headers["location"])
    assert (third["parent_id"], third["attempt"]) == (child["job_id"], 3)


async def test_all_of_a_job_runs_again_if_that_is_asked(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", "no_trades")
    asked = (await get(real_http, f"{JOBS}/{job.job_id}"))["request"]
    assert asked == job.request
    answer = await real_http.post(f"{JOBS}/{job.job_id}/retry", json={"only": "all"})
    child = await get(real_http, answer.headers["location"])
    assert (child["parent_id"], child["request"]) == (job.job_id, asked)
    assert [job["request"] for job in (await get(real_http, JOBS))["items"]] == [None, None]


async def test_a_retry_needs_no_body(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "invalid")
    assert (await real_http.post(f"{JOBS}/{job.job_id}/retry")).status_code == 202


@pytest.mark.parametrize(("status", "body"), [(422, {"only": "none"}), (422, {"force": True}), (422, [])])
async def test_a_retry_of_something_else_is_refused(
    real_app: FastAPI, real_http: httpx2.AsyncClient, status: int, body: Any
) -> None:
    job = await plant_final(real_app, "invalid")
    assert (await real_http.post(f"{JOBS}/{job.job_id}/retry", json=body)).status_code == status


async def test_what_went_well_or_still_runs_is_not_retried(real_app: FastAPI, real_http: httpx2.AsyncClient) -> None:
    done = await plant_final(real_app, "ok", "no_trades")
    open_job = await plant_queued(real_app)
    for job, reason in ((done, "nothing left to retry"), (open_job, "wait for its end")):
        answer = await real_http.post(f"{JOBS}/{job.job_id}/retry")
        assert answer.status_code == 409
        assert reason in answer.json()["detail"]
    assert len(await ids(real_http)) == 2


async def test_a_finished_job_can_be_deleted_and_a_running_one_not(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    open_job, done = await plant_queued(real_app), await plant_final(real_app, "ok")
    assert (await real_http.delete(f"{JOBS}/{open_job.job_id}")).status_code == 409
    gone = await real_http.delete(f"{JOBS}/{done.job_id}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await real_http.get(f"{JOBS}/{done.job_id}")).status_code == 404
    assert (await real_http.delete(f"{JOBS}/{done.job_id}")).status_code == 404
    assert await ids(real_http) == [open_job.job_id]
    assert await jobs_of(real_app).parts.store.newest("ingest") == [open_job.job_id]
