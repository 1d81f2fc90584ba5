"""Submitting twice: an Idempotency-Key is one job, and an unfinished request is joined, unless asked otherwise."""

import asyncio
from collections import Counter

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.postgres.port import JobQuery
from tests.fixtures.jobs.apps import RUN_DAILY, jobs_of

pytestmark = pytest.mark.anyio
BODY = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}
OTHER = BODY | {"chunk_size": 501}


async def count_jobs(app: FastAPI) -> int:
    return len(await jobs_of(app).parts.history.list_jobs(JobQuery(("ingest",), "ingest", limit=200)))


async def post(
    http: httpx2.AsyncClient, body: dict[str, object], key: str | None = None, **query: str
) -> httpx2.Response:
    headers = {"Idempotency-Key": key} if key else {}
    return await http.post(RUN_DAILY, json=body, headers=headers, params=query)


async def test_a_key_is_one_job_and_its_answer_is_replayed(real_http: httpx2.AsyncClient) -> None:
    first = await post(real_http, BODY, "run-daily:2026-11-24", on_overlap="new")
    again = await post(real_http, BODY, '"run-daily:2026-11-24"', on_overlap="new")
    assert (first.status_code, again.status_code) == (202, 202)
    assert again.content == first.content
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["location"] == first.headers["location"]


async def test_a_quote_on_one_side_is_part_of_the_key(real_http: httpx2.AsyncClient) -> None:
    first = await post(real_http, BODY, '"a-key', on_overlap="new")
    again = await post(real_http, BODY, "a-ke", on_overlap="new")
    assert again.json()["job_id"] != first.json()["job_id"]


async def test_a_key_with_another_body_is_refused(real_http: httpx2.AsyncClient) -> None:
    await post(real_http, BODY, "key-a")
    answer = await post(real_http, OTHER, "key-a")
    assert answer.status_code == 422
    assert "another request" in answer.json()["detail"]


@pytest.mark.parametrize("key", ["a b", "x" * 256, "\u3042".encode().decode("latin-1")])
async def test_a_key_must_be_printable_and_short(real_http: httpx2.AsyncClient, key: str) -> None:
    answer = await real_http.post(RUN_DAILY, json=BODY, headers={b"Idempotency-Key": key.encode("latin-1")})
    assert answer.status_code == 422
    assert "Idempotency-Key" in answer.json()["errors"][0]["pointer"]


async def test_fifty_at_once_with_one_key_are_one_job(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    before = await count_jobs(real_app)
    answers = await asyncio.gather(*(post(real_http, BODY, "key-50", on_overlap="new") for _ in range(50)))
    assert Counter(a.status_code for a in answers) == {202: 50}
    assert len({a.content for a in answers}) == 1
    assert Counter(a.headers.get("idempotency-replayed") for a in answers) == {None: 1, "true": 49}
    assert await count_jobs(real_app) == before + 1


async def test_an_unfinished_request_is_joined(real_http: httpx2.AsyncClient) -> None:
    first = await post(real_http, OTHER | {"chunk_size": 777})
    again = await post(real_http, OTHER | {"chunk_size": 777})
    assert again.json()["job_id"] == first.json()["job_id"]
    assert "kaboom-coalesced" not in first.headers
    assert again.headers["kaboom-coalesced"] == "true"


async def test_a_second_job_can_be_asked_for(real_http: httpx2.AsyncClient) -> None:
    first = await post(real_http, OTHER | {"chunk_size": 778})
    other = await post(real_http, OTHER | {"chunk_size": 778}, on_overlap="new")
    assert other.json()["job_id"] != first.json()["job_id"]


async def test_a_job_that_just_ended_in_redis_is_not_joined(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    body = OTHER | {"chunk_size": 779}
    first = (await post(real_http, body)).json()["job_id"]
    # Redis knows the end before the ledger does.
    await jobs_of(real_app).parts.store.cancel("ingest", first)
    again = await post(real_http, body)
    assert again.json()["job_id"] != first
    kept = await jobs_of(real_app).parts.history.load("ingest", first)
    assert kept is not None
    assert kept.status.is_final


async def test_a_new_key_never_joins_a_job_that_just_ended(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    body = OTHER | {"chunk_size": 780}
    first = (await post(real_http, body)).json()["job_id"]
    await jobs_of(real_app).parts.store.cancel("ingest", first)
    new = await post(real_http, body, "key-ended")
    assert new.json()["job_id"] != first
    assert "idempotency-replayed" not in new.headers
    again = await post(real_http, body, "key-ended")
    assert (again.content, again.headers["idempotency-replayed"]) == (new.content, "true")


async def test_a_new_key_that_joins_is_kept_for_the_joined_job(
    real_http: httpx2.AsyncClient, real_app: FastAPI
) -> None:
    body = OTHER | {"chunk_size": 781}
    first = (await post(real_http, body)).json()["job_id"]
    joined = await post(real_http, body, "key-joined")
    assert (joined.json()["job_id"], joined.headers["kaboom-coalesced"]) == (first, "true")
    await jobs_of(real_app).cancel(await jobs_of(real_app).find("ingest", first, owner="ingest"))
    again = await post(real_http, body, "key-joined")
    assert (again.json()["job_id"], again.headers["idempotency-replayed"]) == (first, "true")
