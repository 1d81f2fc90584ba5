"""`/api/v1/schedules`: what is made, shown, changed, run and deleted, and what is refused."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import psycopg
import pytest
from fastapi import FastAPI

from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.market.calendar import JST, is_session
from kaboom.schedules.model import default_schedule
from kaboom.schedules.postgres import PostgresScheduleStore
from kaboom.schedules.store import open_schedules
from tests.fixtures.jobs.apps import JOBS, SCHEDULES, jobs_of
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.schedules import past_dues
from tests.fixtures.servers.servers import Servers

pytestmark = pytest.mark.anyio
UNKNOWN = "f" * 32
REQUEST = {"intervals": {"1m": 1}, "symbols": ["7203"]}
NEW = {"name": "after the close", "request": REQUEST, "session_at": "16:35"}


@pytest.fixture(params=["http", "real_http"])
def client(request: pytest.FixtureRequest, database_url: str) -> httpx2.AsyncClient:
    """A client of the API in memory, and of one on the real servers."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE schedules CASCADE")
    made: httpx2.AsyncClient = request.getfixturevalue(request.param)
    return made


async def create(client: httpx2.AsyncClient, **values: Any) -> dict[str, Any]:
    answer = await client.post(SCHEDULES, json=NEW | values)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_schedule_is_made_and_shown(http: httpx2.AsyncClient) -> None:
    answer = await http.post(SCHEDULES, json=NEW)
    made = answer.json()
    assert answer.headers["location"] == f"{SCHEDULES}/{made['schedule_id']}"
    assert (made["kind"], made["session_at"], made["cron"], made["missed"]) == ("session", "16:35", None, "latest")
    assert made["request"] == {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000, "symbols": ["7203"]}
    due = datetime.fromisoformat(made["next_at"])
    assert due > datetime.now(UTC)
    assert is_session(due.astimezone(JST).date())
    shown = (await http.get(f"{SCHEDULES}/{made['schedule_id']}")).json()
    assert (shown["next_due"][0], len(shown["next_due"]), shown["firings"]) == (made["next_at"], 5, [])
    assert made | {"last_firing": None} in (await http.get(SCHEDULES)).json()["items"]


async def test_a_change_rearms_only_where_the_times_change(http: httpx2.AsyncClient) -> None:
    made = await create(http, session_at=None, cron="0 9 1 1 *")
    path = f"{SCHEDULES}/{made['schedule_id']}"
    renamed = (await http.patch(path, json={"name": "new", "missed": "all", "max_late_h": 5})).json()
    assert (renamed["name"], renamed["missed"], renamed["max_late_h"]) == ("new", "all", 5)
    assert renamed["next_at"] == made["next_at"]
    off = (await http.patch(path, json={"is_enabled": False})).json()
    assert (off["is_enabled"], off["next_at"]) == (False, None)
    assert len((await http.get(path)).json()["next_due"]) == 5
    other = (await http.patch(path, json={"is_enabled": True, "session_at": "18:00"})).json()
    assert (other["kind"], other["cron"], other["session_at"]) == ("session", None, "18:00")
    assert datetime.fromisoformat(other["next_at"]).astimezone(JST).hour == 18
    asked = (await http.patch(path, json={"request": {"intervals": {"1d": 2}}})).json()
    assert asked["request"]["intervals"] == {"1d": 2}
    assert (await http.patch(path, json={})).json()["name"] == "new"


async def test_a_run_by_hand_is_a_job_and_is_joined(real_http: httpx2.AsyncClient) -> None:
    made = await create(real_http, name=f"by hand {datetime.now(UTC)}", is_enabled=False)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    first, again = await real_http.post(f"{path}/run"), await real_http.post(f"{path}/run")
    assert (first.status_code, again.status_code) == (202, 202)
    assert first.json()["job_id"] == again.json()["job_id"]
    assert again.headers["kaboom-coalesced"] == "true"
    assert first.headers["location"] == f"{JOBS}/{first.json()['job_id']}"
    assert (await real_http.get(first.headers["location"])).json()["status"] == "queued"
    shown = (await real_http.get(path)).json()
    assert [(f["outcome"], f["is_manual"]) for f in shown["firings"]] == [("joined", True), ("fired", True)]
    listed = {each["schedule_id"]: each for each in (await real_http.get(SCHEDULES)).json()["items"]}
    assert listed[shown["schedule_id"]]["last_firing"] == shown["firings"][0]
    assert (shown["last_job_id"], shown["next_at"]) == (first.json()["job_id"], None)


async def test_a_deleted_schedule_is_gone(client: httpx2.AsyncClient) -> None:
    made = await create(client)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    assert (await client.delete(path)).status_code == 204
    for method, where in (("GET", path), ("DELETE", path), ("POST", f"{path}/run")):
        assert (await client.request(method, where)).status_code == 404
    assert (await client.patch(path, json={"is_enabled": True})).status_code == 404


async def test_a_name_is_taken_once(client: httpx2.AsyncClient) -> None:
    await create(client)
    answer = await client.post(SCHEDULES, json=NEW)
    assert answer.status_code == 409
    assert "'after the close' exists already" in answer.json()["detail"]


BAD: dict[str, tuple[dict[str, Any], str, str]] = {
    "no time": ({"session_at": None}, "#", "either cron or session_at"),
    "both times": ({"cron": "* * * * *"}, "#", "either cron or session_at"),
    "bad cron": ({"session_at": None, "cron": "every day"}, "#/cron", "expected five fields"),
    "six fields": ({"session_at": None, "cron": "0 * * * * *"}, "#/cron", "expected five fields"),
    "never": ({"session_at": None, "cron": "0 0 31 4 *"}, "#/cron", "day-of-month"),
    "long cron": ({"session_at": None, "cron": "0," * 60}, "#/cron", "at most 100"),
    "before the opening": ({"session_at": "08:00"}, "#/session_at", "from 09:00 to 23:59"),
    "no clock": ({"session_at": "25:00"}, "#/session_at", "expected HH:MM"),
    "policy": ({"missed": "twice"}, "#/missed", "'latest', 'skip' or 'all'"),
    "hours": ({"max_late_h": 721}, "#/max_late_h", "less than or equal to 720"),
    "task": ({"task": "moon.landing"}, "#/task", "ingest.run_daily"),
    "empty name": ({"name": ""}, "#/name", "at least 1"),
    "name of space": ({"name": " a"}, "#/name", "pattern"),
    "name that rings": ({"name": "a\u0007b"}, "#/name", "pattern"),
    "name that ends with a bell": ({"name": "a\u0007"}, "#/name", "pattern"),
    "half a character": ({"name": "\ud800"}, "#/name", ""),
    "interval": ({"request": {"intervals": {"7x": 1}}}, "#/request/intervals", "supported are 1m, 5m"),
    "market": ({"request": {"intervals": {"1m": 1}, "market": "FILE"}}, "#/request/market", "serves"),
    "session": ({"request": {"intervals": {"1m": 1}, "session": "2025-11-04"}}, "#/request/session", "its own day"),
    "callback": (
        {"request": {"intervals": {"1m": 1}, "callback_url": "https://h.example/"}},
        "#/request/callback_url",
        "expected none",
    ),
    "unknown field": ({"timezone": "UTC"}, "#/timezone", "not permitted"),
}


@pytest.mark.parametrize(("values", "pointer", "words"), BAD.values(), ids=BAD.keys())
async def test_invalid_schedules_are_rejected(
    http: httpx2.AsyncClient, values: dict[str, Any], pointer: str, words: str
) -> None:
    before = (await http.get(SCHEDULES)).json()
    # As ASCII, which also half a character has.
    answer = await http.post(SCHEDULES, content=json.dumps(NEW | values), headers={"Content-Type": "application/json"})
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert error["pointer"] == pointer
    assert words in error["detail"]
    assert (await http.get(SCHEDULES)).json() == before


@pytest.mark.parametrize("schedule_id", [UNKNOWN, "7203", "A" * 32, "%00", "%ff", f"{'a' * 31}%0a"])
async def test_an_unknown_id_is_not_found(client: httpx2.AsyncClient, schedule_id: str) -> None:
    answer = await client.get(f"{SCHEDULES}/{schedule_id}")
    assert answer.status_code == 404
    assert "does not exist" in answer.json()["detail"]


async def test_a_schedule_of_a_newer_release_is_not_run_but_can_be_deleted(
    http: httpx2.AsyncClient, app: FastAPI
) -> None:
    made = await create(http)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    await (
        jobs_of(app)
        .parts.database.open(open_schedules)
        .change(OWNER, made["schedule_id"], lambda s, _: replace(s, task="ingest.newer"))
    )
    answers = [
        await http.get(path),
        await http.post(f"{path}/run"),
        await http.patch(path, json={"is_enabled": False}),
        await http.patch(path, json={"request": REQUEST}),
        await http.delete(path),
    ]
    assert [answer.status_code for answer in answers] == [200, 422, 200, 422, 204]


async def test_a_schedule_that_is_due_is_run_by_the_api_itself(http: httpx2.AsyncClient, app: FastAPI) -> None:
    session_at, (due_at,) = past_dues(1)
    made = await create(http, request=REQUEST | {"dry_run": True}, session_at=session_at, max_late_h=720)
    path = f"{SCHEDULES}/{made['schedule_id']}"
    schedules = jobs_of(app).parts.database.open(open_schedules)
    await schedules.change(OWNER, made["schedule_id"], lambda s, _: replace(s, next_at=due_at))
    async with asyncio.timeout(60):
        while not (firings := (await http.get(path)).json()["firings"]):  # noqa: ASYNC110  of a task in the app
            await asyncio.sleep(0.05)
    assert [(f["outcome"], f["is_manual"]) for f in firings] == [("fired", False)]
    job = (await http.get(f"{JOBS}/{firings[0]['job_id']}", headers={"Prefer": "wait=30"})).json()
    assert (job["status"], job["result"]["session"]) == ("completed", f"{due_at.date()}")


async def test_a_kaboom_without_a_database_begins_with_the_daily_ingest_too(http: httpx2.AsyncClient) -> None:
    items = (await http.get(SCHEDULES)).json()["items"]
    assert [(item["name"], item["is_enabled"]) for item in items] == [("daily ingest", False)]


@pytest.fixture
def fresh_url(servers: Servers) -> Iterator[str]:
    """A database that nobody has touched."""
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("CREATE DATABASE fresh_schedules")
    yield servers.database_url.replace("/postgres?", "/fresh_schedules?")
    with psycopg.connect(servers.database_url, autocommit=True) as connection:
        connection.execute("DROP DATABASE fresh_schedules WITH (FORCE)")


async def test_the_daily_ingest_is_there_once_and_off_and_stays_deleted(fresh_url: str) -> None:
    migrate(fresh_url)
    engine = connect_postgres(fresh_url, application_name="test")
    store = PostgresScheduleStore(engine)
    (found,) = await store.list_schedules(OWNER)
    ours = default_schedule()
    assert (found.name, found.timing, found.request) == (ours.name, ours.timing, ours.request)
    assert (found.missed, found.max_late_h, found.task) == (ours.missed, ours.max_late_h, ours.task)
    assert (found.is_enabled, found.next_at) == (False, None)
    await store.delete(OWNER, found.schedule_id)
    migrate(fresh_url)
    assert await store.list_schedules(OWNER) == []
    await engine.dispose()
