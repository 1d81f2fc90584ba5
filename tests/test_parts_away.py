"""With a part away: what needs it says 503 and when to come back; everything else goes on."""

import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.embedded.servers import free_port
from tests.fixtures.jobs.apps import JOBS, REPORT_BODY, RUN_DAILY, client_of, memory_settings, real_settings, running
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio


@pytest.fixture
async def without_redis(database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with a ledger, and a Redis that is not there."""
    url = f"redis://127.0.0.1:{free_port()}/0"
    async with running(real_settings(url, database_url, tmp_path)) as app, client_of(app) as client:
        yield client


@pytest.fixture
async def without_ledger(redis_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """The API with a Redis, and a ledger that is not there."""
    url = f"postgresql://postgres@/postgres?host={tmp_path}"
    async with running(real_settings(redis_url, url, tmp_path)) as app, client_of(app) as client:
        yield client


def assert_come_back(answer: httpx2.Response, begun_at: float) -> None:
    assert answer.status_code == 503, answer.text
    assert answer.json()["type"].endswith("/unavailable")
    assert int(answer.headers["retry-after"]) >= 1
    assert time.monotonic() - begun_at < 7


async def test_all_parts_answer(real_http: httpx2.AsyncClient) -> None:
    fine = {"is_ok": True, "detail": ""}
    answer = await real_http.get("/readyz")
    assert answer.status_code == 200
    parts = {"redis": fine, "broker": fine, "database": fine}
    assert answer.json() == {"ready": True, "parts": parts, "workers_online": 0, "release": None}


async def test_without_redis_nothing_is_accepted(without_redis: httpx2.AsyncClient) -> None:
    before = (await without_redis.get(JOBS)).json()["items"]
    begun_at = time.monotonic()
    assert_come_back(await without_redis.post(RUN_DAILY, json=REPORT_BODY), begun_at)
    assert (await without_redis.get(JOBS)).json()["items"] == before


async def test_without_redis_the_parts_are_named(without_redis: httpx2.AsyncClient) -> None:
    answer = await without_redis.get("/readyz")
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1
    ready = answer.json()
    assert ready["ready"] is False
    assert ready["parts"]["database"]["is_ok"]
    assert not ready["parts"]["redis"]["is_ok"]
    assert "Redis did not answer" in ready["parts"]["redis"]["detail"]
    assert (await without_redis.get("/healthz")).json() == {"status": "ok"}


async def test_ended_jobs_are_readable_without_redis(real_app: FastAPI, without_redis: httpx2.AsyncClient) -> None:
    done, open_job = await plant_final(real_app, "ok", "invalid"), await plant_queued(real_app)
    begun_at = time.monotonic()
    assert (await without_redis.get(f"{JOBS}/{done.job_id}")).json()["status"] == "partial"
    failures = (await without_redis.get(f"{JOBS}/{done.job_id}/failures")).json()
    assert [failure["outcome"] for failure in failures["items"]] == ["invalid"]
    listed = [job["job_id"] for job in (await without_redis.get(JOBS)).json()["items"]]
    assert listed == [open_job.job_id, done.job_id]
    assert (await without_redis.get(f"{JOBS}/{'b' * 32}")).status_code == 404
    assert time.monotonic() - begun_at < 5
    # How far an open one is, only Redis knows.
    assert_come_back(await without_redis.get(f"{JOBS}/{open_job.job_id}"), time.monotonic())


async def test_without_the_ledger_nothing_is_accepted(without_ledger: httpx2.AsyncClient) -> None:
    begun_at = time.monotonic()
    assert_come_back(await without_ledger.post(RUN_DAILY, json=REPORT_BODY), begun_at)
    ready = (await without_ledger.get("/readyz")).json()
    assert ready["parts"]["redis"]["is_ok"]
    assert not ready["parts"]["database"]["is_ok"]
    assert "PostgreSQL" in ready["parts"]["database"]["detail"]
    assert (await without_ledger.get("/healthz")).status_code == 200


async def test_in_memory_a_job_runs_in_the_process(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path)) as app, client_of(app) as http:
        body = {"intervals": {"1m": 1, "1d": 3}, "symbols": ["7203", "6758"], "session": "2025-11-04"}
        location = (await http.post(RUN_DAILY, json=body)).headers["location"]
        # All in memory a request never lets the loop turn: asking again and again would leave the workers no time.
        job = (await http.get(location, headers={"Prefer": "wait=20"})).json()
    assert job["status"] == "completed"
    assert job["result"]["outcomes"] == {"ok": 4}
    # 327 minutes are legal, and not each has a trade.
    assert 6 < job["progress"]["rows"] <= 2 * 327 + 2 * 3
