"""The documented curl command, and what a submission leaves in Redis, in the ledger and at the broker."""

import json
import re

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.redis.client import connect_redis
from kaboom.jobs.engine.dispatch import CeleryDispatcher
from kaboom.jobs.model import PLAN
from kaboom.jobs.redis.store import NEWEST_KEPT, ChunkRef
from tests.fixtures.jobs.apps import JOBS, REPORT_BODY, REPORT_JSON, RUN_DAILY, jobs_of

pytestmark = pytest.mark.anyio
ACCEPTED = re.compile(rb'\{"job_id":"([0-9a-f]{32})","status":"queued"\}')
JSON = {"Content-Type": "application/json"}


async def test_the_documented_request_is_answered_as_documented(real_http: httpx2.AsyncClient) -> None:
    answer = await real_http.post(RUN_DAILY, content=REPORT_JSON, headers=JSON)
    assert answer.status_code == 202
    found = ACCEPTED.fullmatch(answer.content)
    assert found
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["location"] == f"{JOBS}/{found[1].decode()}"
    assert answer.headers["retry-after"] == "2"
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])
    assert answer.headers["x-content-type-options"] == "nosniff"


async def test_the_job_is_at_its_location_at_once(real_http: httpx2.AsyncClient) -> None:
    accepted = await real_http.post(RUN_DAILY, content=REPORT_JSON, headers=JSON)
    job = (await real_http.get(accepted.headers["location"])).json()
    expected = {"job_id": accepted.json()["job_id"], "status": "queued", "queue": "ingest", "task": "ingest.run_daily"}
    assert expected.items() <= job.items()
    assert (job["market"], job["intervals"]) == ("TSE_PRIME", {"1m": 1})
    assert job["progress"] == {
        "done": 0,
        "total": 0,
        "failed": 0,
        "cancelled": 0,
        "percent": 0.0,
        "rate": None,
        "eta_low_s": None,
        "eta_high_s": None,
        "eta_s": None,
        "rows": 0,
        "paused_until": None,
        "pause_reason": None,
    }
    # Nobody is there to take it.
    assert job["health"] == "waiting"
    assert job["result"] is None


async def test_only_intervals_are_required(real_http: httpx2.AsyncClient) -> None:
    accepted = await real_http.post(RUN_DAILY, json={"intervals": {"5m": 2}})
    job = (await real_http.get(accepted.headers["location"])).json()
    assert (job["market"], job["intervals"]) == ("TSE_PRIME", {"5m": 2})


async def test_redis_the_ledger_and_the_broker_hold_the_job(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    job_id = (await real_http.post(RUN_DAILY, json=REPORT_BODY)).json()["job_id"]
    parts = jobs_of(real_app).parts
    kept = await parts.history.load("ingest", job_id)
    assert kept
    assert kept.request == REPORT_BODY
    assert (await parts.store.load("ingest", [job_id]))[0] is not None
    assert isinstance(parts.dispatcher, CeleryDispatcher)
    assert await parts.dispatcher.depth("ingest") == 1


async def test_what_is_sent_ahead_is_taken_first(real_app: FastAPI, redis_url: str) -> None:
    dispatcher = jobs_of(real_app).parts.dispatcher
    for numbers, ahead in (("12", False), ("34", True)):
        refs = [ChunkRef("ingest", "a" * 32, n) for n in numbers]
        await dispatcher.send("ingest.run_daily", refs, ahead=ahead)
    redis = connect_redis(redis_url, client_name="test")
    # From the right, as workers do.
    taken = [await redis.rpop("celery:ingest") for _ in range(4)]
    await redis.aclose()
    ids = [json.loads(str(message))["headers"]["id"] for message in taken]
    assert [name.rpartition("-")[2] for name in ids] == ["3", "4", "1", "2"]


async def test_a_message_near_the_head_is_not_sent_again(real_app: FastAPI, redis_url: str) -> None:
    dispatcher = jobs_of(real_app).parts.dispatcher
    redis = connect_redis(redis_url, client_name="test")
    await redis.rpush("celery:ingest", b"\xff, which nobody can decode")
    # "1" begins the id of "11", and the plan's id begins every id.
    refs = [ChunkRef("ingest", "a" * 32, n) for n in ("11", "2")]
    more = [ChunkRef("ingest", "a" * 32, n) for n in ("1", PLAN)]
    for sent, depth in ((refs, 3), (refs, 3), (refs + more, 5), (refs + more, 5)):
        await dispatcher.send("ingest.run_daily", sent, ahead=True)
        assert await dispatcher.depth("ingest") == depth
    await redis.rpush("celery:ingest", *["another"] * 64)
    await dispatcher.send("ingest.run_daily", refs, ahead=True)
    assert await dispatcher.depth("ingest") == 5 + 64 + 2
    await redis.aclose()


async def test_redis_lists_the_newest_jobs_first_and_at_most_a_hundred(
    real_http: httpx2.AsyncClient, real_app: FastAPI
) -> None:
    url = f"{RUN_DAILY}?on_overlap=new"
    made = [(await real_http.post(url, json=REPORT_BODY)).json()["job_id"] for _ in range(NEWEST_KEPT + 3)]
    assert NEWEST_KEPT == 100
    assert await jobs_of(real_app).parts.store.newest("ingest") == made[:2:-1]


async def test_fullwidth_and_doubled_symbols_mean_one(real_http: httpx2.AsyncClient, real_app: FastAPI) -> None:
    body = REPORT_BODY | {"symbols": ["\uff17\uff12\uff10\uff13", "130a", "72030"]}
    job_id = (await real_http.post(RUN_DAILY, json=body)).json()["job_id"]
    kept = await jobs_of(real_app).parts.history.load("ingest", job_id)
    assert kept
    assert kept.request["symbols"] == ["7203", "130A"]


async def test_tags_find_a_job(real_http: httpx2.AsyncClient) -> None:
    plain = await real_http.post(RUN_DAILY, json=REPORT_BODY)
    tagged = await real_http.post(RUN_DAILY, json=REPORT_BODY | {"tags": ["october", "実験1", "october"]})
    # Another tag is another experiment: the plain job is not joined.
    assert tagged.json()["job_id"] != plain.json()["job_id"]
    job = (await real_http.get(tagged.headers["location"])).json()
    assert job["subject"]["tags"] == job["request"]["tags"] == ["october", "実験1"]
    assert "tags" not in (await real_http.get(plain.headers["location"])).json()["request"]
    for word in ("October", "実験1"):
        found = (await real_http.get("/api/v1/jobs", params={"q": word})).json()["items"]
        assert [each["job_id"] for each in found] == [tagged.json()["job_id"]]


@pytest.mark.parametrize(
    "tags", [["two words"], ["#october"], ["a,b"], [""], ["x" * 41], ["\x1b"], ["a"] * 9, "october", [7]], ids=repr
)
async def test_a_tag_is_one_word(real_http: httpx2.AsyncClient, tags: object) -> None:
    answer = await real_http.post(RUN_DAILY, json=REPORT_BODY | {"tags": tags})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["pointer"].startswith("#/tags")
