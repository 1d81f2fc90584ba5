"""Two owners: neither sees, changes, joins nor replays what belongs to the other."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.settings import AppSettings
from kaboom.telemetry.logs import tap_lines
from kaboom.web.auth.tokens import IngestTokens
from tests.fixtures.jobs.apps import (
    INGEST,
    JOBS,
    OTHER_OWNER,
    OTHER_TOKEN,
    RUN_DAILY,
    SCHEDULES,
    TOKEN,
    client_of,
    jobs_of,
    memory_settings,
    real_settings,
    running,
)
from tests.fixtures.jobs.planted import plant_running
from tests.fixtures.servers.receivers import SECRET

pytestmark = pytest.mark.anyio
MARKET_DATA = "/api/v1/market-data"
ALL_JOBS = "/api/v1/jobs"
WEBHOOKS = f"{INGEST}/webhooks"
BODY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}
OTHER_BODY = BODY | {"symbols": ["6758"]}
SIGNING = {"webhook_secret": SECRET, "webhook_hosts": "n8n.internal:5678"}
URL = "http://n8n.internal:5678/webhook"
_FILTERED = "each query of src/kaboom/jobs/postgres/listing.py needs the owner"


@dataclass(frozen=True)
class Two:
    """An API and a client of each owner."""

    app: FastAPI
    mine: httpx2.AsyncClient
    other: httpx2.AsyncClient


@asynccontextmanager
async def two_owners(settings: AppSettings) -> AsyncIterator[Two]:
    async with (
        running(settings, [OTHER_OWNER]) as app,
        client_of(app) as mine,
        client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other,
    ):
        yield Two(app, mine, other)


@pytest.fixture(params=["memory", "real"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> AppSettings:
    """Both implementations of the stores; only the one in memory has workers."""
    in_memory = memory_settings(tmp_path, **SIGNING)
    if request.param == "memory":
        return in_memory
    request.getfixturevalue("real_app")
    redis_url, database_url = (request.getfixturevalue(name) for name in ("redis_url", "database_url"))
    update = {name: getattr(in_memory, name) for name in SIGNING}
    return real_settings(redis_url, database_url, tmp_path).model_copy(update=update)


@pytest.fixture
async def two(settings: AppSettings, anyio_backend: str) -> AsyncIterator[Two]:
    async with two_owners(settings) as both:
        yield both


async def submit(http: httpx2.AsyncClient, path: str = RUN_DAILY, **given: Any) -> httpx2.Response:
    answer = await http.post(path, **({"json": BODY} | given))
    assert answer.status_code == 202, answer.text
    return answer


async def ids(http: httpx2.AsyncClient, path: str) -> list[str]:
    answer = await http.get(path)
    assert answer.status_code == 200, answer.text
    return [item.get("job_id") or item["id"] for item in answer.json()["items"]]


@pytest.mark.parametrize("body", [BODY, OTHER_BODY], ids=["same body", "different body"])
async def test_an_idempotency_key_is_replayed_to_its_owner_only(two: Two, body: dict[str, Any]) -> None:
    key = {"Idempotency-Key": "the-same"}
    mine = await submit(two.mine, headers=key)
    other = await submit(two.other, headers=key, json=body)
    assert "idempotency-replayed" not in mine.headers | other.headers
    assert mine.json()["job_id"] != other.json()["job_id"]
    for caller, sent, first in ((two.mine, BODY, mine), (two.other, body, other)):
        again = await submit(caller, headers=key, json=sent)
        assert (again.headers["idempotency-replayed"], again.json()) == ("true", first.json())
        clash = await caller.post(RUN_DAILY, json=BODY | {"symbols": ["9984"]}, headers=key)
        assert clash.status_code == 422


async def test_the_same_request_joins_the_owners_job_only(two: Two) -> None:
    mine, other = await submit(two.mine), await submit(two.other)
    assert "kaboom-coalesced" not in mine.headers | other.headers
    assert mine.json()["job_id"] != other.json()["job_id"]


@pytest.mark.parametrize("path", [RUN_DAILY, f"{MARKET_DATA}/mirror"])
async def test_a_job_of_another_owner_is_not_found(two: Two, path: str) -> None:
    body = BODY if path == RUN_DAILY else {"dry_run": True}
    job = (await submit(two.mine, path, json=body)).headers["location"]
    jobs, _, job_id = job.rpartition("/")
    stream = {"Accept": "text/event-stream"}
    for method, rest in (
        ("GET", ""), ("GET", "/events"), ("GET", "/logs"), ("GET", "/failures"),
        ("POST", "/cancel"), ("POST", "/retry"), ("DELETE", ""),
    ):  # fmt: skip
        for headers in ({}, stream, {"Prefer": "wait=1"}):
            answer = await two.other.request(method, f"{job}{rest}", headers=headers)
            assert (method, rest, answer.status_code) == (method, rest, 404)
            assert answer.json()["type"].endswith("/not-found")
    for listing in (jobs, ALL_JOBS, f"{ALL_JOBS}?q={job_id}"):
        assert await ids(two.other, listing) == [], _FILTERED
        assert await ids(two.mine, listing) == [job_id]
    assert (await two.mine.get(job)).status_code == 200


async def test_lists_asked_at_the_same_time_are_not_shared_between_owners(two: Two) -> None:
    mine, other = [(await submit(http)).json()["job_id"] for http in (two.mine, two.other)]
    for path in (JOBS, ALL_JOBS):
        found = await asyncio.gather(*(ids(http, path) for _ in range(10) for http in (two.mine, two.other)))
        assert found == [[mine], [other]] * 10, _FILTERED


@pytest.mark.parametrize("path", [f"{JOBS}/stats", f"{ALL_JOBS}/stats"])
async def test_jobs_of_another_owner_are_not_counted(two: Two, path: str) -> None:
    await submit(two.mine)
    counts = [sum((await http.get(path)).json()["by_status"].values()) for http in (two.mine, two.other)]
    assert counts == [1, 0]


async def test_the_activity_of_another_owner_is_not_shown(tmp_path: Path) -> None:
    async with two_owners(memory_settings(tmp_path)) as two:
        job = (await submit(two.mine)).headers["location"]
        assert (await two.mine.get(job, headers={"Prefer": "wait=30"})).json()["status"] == "completed"
        assert [await _ended(http) for http in (two.mine, two.other, two.mine)] == [1, 0, 1]


@pytest.mark.parametrize("settings", ["real"], indirect=True)
async def test_workers_do_not_name_the_jobs_of_another_owner(two: Two) -> None:
    jobs = [(await plant_running(two.app, owner=owner))[0].job_id for owner in ("ingest", "other")]
    parts = jobs_of(two.app).parts
    await parts.store.report_worker(parts.name, 2)
    for http, own in ((two.mine, jobs[0]), (two.other, jobs[1])):
        (worker,) = (await http.get("/api/v1/workers")).json()["items"]
        assert worker["busy"] == 2
        assert {(c["job_id"], c["chunk"]) for c in worker["chunks"]} == {(own, "0"), (None, None)}


async def _ended(http: httpx2.AsyncClient) -> int:
    queues = (await http.get("/api/v1/stats/series")).json()["queues"]
    return sum(sum(numbers) for queue in queues for numbers in queue["finished"].values())


async def test_a_cursor_of_another_owner_is_refused(two: Two) -> None:
    for http in (two.mine, two.other):
        for body in (BODY, OTHER_BODY):
            await submit(http, json=body)
    for path in (JOBS, ALL_JOBS, "/api/v1/symbols?session=2025-11-04"):
        first = (await two.mine.get(path, params=_query(path) | {"limit": 1})).json()
        following = _query(path) | {"limit": 1, "cursor": first["next_cursor"]}
        assert (await two.mine.get(path, params=following)).status_code == 200
        answer = await two.other.get(path, params=following)
        assert (path, answer.status_code) == (path, 400)
        assert answer.json()["type"].endswith("/bad-cursor")


def _query(path: str) -> dict[str, Any]:
    return dict(part.split("=") for part in path.partition("?")[2].split("&") if part)


async def test_a_webhook_of_another_owner_is_not_found(two: Two) -> None:
    job_id = (await submit(two.mine, json=BODY | {"callback_url": URL})).json()["job_id"]
    webhook = (await ids(two.mine, f"{WEBHOOKS}?job_id={job_id}"))[0]
    assert await ids(two.other, WEBHOOKS) == await ids(two.other, f"{WEBHOOKS}?job_id={job_id}") == []
    for method, rest in (("GET", ""), ("POST", "/replay")):
        assert (await two.other.request(method, f"{WEBHOOKS}/{webhook}{rest}")).status_code == 404


async def test_a_schedule_of_another_owner_is_not_found(two: Two) -> None:
    body = {"name": uuid4().hex, "task": "ingest.run_daily", "request": {"intervals": {"1d": 1}}, "cron": "0 4 * * *"}
    made, same_name = await two.mine.post(SCHEDULES, json=body), await two.other.post(SCHEDULES, json=body)
    assert (made.status_code, same_name.status_code) == (201, 201), (made.text, same_name.text)
    schedule, theirs = made.headers["location"], same_name.headers["location"]
    change = {"is_enabled": False}
    for method, rest, sent in (("GET", "", None), ("PATCH", "", change), ("POST", "/run", None), ("DELETE", "", None)):
        answer = await two.other.request(method, f"{schedule}{rest}", json=sent)
        assert (method, rest, answer.status_code) == (method, rest, 404)
    assert [s["name"] for s in (await two.other.get(SCHEDULES)).json()["items"]] == [body["name"]]
    job = (await two.other.post(f"{theirs}/run")).headers["location"]
    assert ((await two.other.get(job)).status_code, (await two.mine.get(job)).status_code) == (200, 404)
    assert (await two.mine.delete(schedule)).status_code == 204
    assert (await two.other.delete(theirs)).status_code == 204


async def test_each_owner_has_its_own_rate_limit(tmp_path: Path) -> None:
    async with two_owners(memory_settings(tmp_path, rate_limit_read="2/hour")) as two:
        assert [(await two.mine.get(JOBS)).status_code for _ in range(3)] == [200, 200, 429]
        assert [(await two.other.get(JOBS)).status_code for _ in range(3)] == [200, 200, 429]


async def test_each_owner_has_its_own_streams(tmp_path: Path) -> None:
    async with two_owners(memory_settings(tmp_path, max_streams=1)) as two:
        jobs = [(await submit(http)).headers["location"] for http in (two.mine, two.other)]
        for http, job in zip((two.mine, two.other), jobs, strict=True):
            assert (await http.get(job, headers={"Prefer": "wait=30"})).json()["status"] == "completed"
        with two.app.state.events.slots.take(IngestTokens((TOKEN,)).find(TOKEN.encode())):
            for rest in ("/events", "/logs"):
                paths = [f"{job}{rest}" for job in jobs]
                answers = [
                    (await http.get(path, headers={"Accept": "text/event-stream"})).status_code
                    for http, path in zip((two.mine, two.other), paths, strict=True)
                ]
                assert answers == [429, 200]


async def test_a_log_line_of_a_request_names_its_owner(tmp_path: Path) -> None:
    async def list_jobs(_: object) -> None:
        raise RuntimeError("a bug")

    lines: list[dict[str, Any]] = []
    async with two_owners(memory_settings(tmp_path)) as two:
        jobs_of(two.app).parts.history.list_jobs = list_jobs  # type: ignore[method-assign,assignment]
        end = tap_lines(lambda line: lines.append(dict(line)))
        for http in (two.mine, two.other):
            assert (await http.get(JOBS)).status_code == 500
        end()
    assert [line["owner"] for line in lines if line["event"] == "request_crashed"] == ["ingest", "other"]
