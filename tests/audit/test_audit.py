"""Every change of a caller has one line in the audit log, before its answer, whatever route made it."""

import json
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.audit.log import AuditLine, AuditQuery, AuditTrail, MemoryAuditLog
from kaboom.errors import StoreError
from kaboom.telemetry.logs import tap_lines
from kaboom.web.auth.changes import Change
from kaboom.web.auth.principals import Principal
from kaboom.web.auth.scopes import Role
from tests.fixtures.accounts.callers import (
    AUDIT,
    LOGIN,
    PASSWORD,
    SESSION,
    TOKENS,
    USERS,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, SCHEDULES, client_of
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio
BODY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}
SCHEDULE = {"name": "nightly", "cron": "0 18 * * *", "request": {"intervals": {"1d": 1}}}


async def lines(http: httpx2.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    """Return the lines, oldest first."""
    return list((await http.get(AUDIT, params=query)).json()["items"][::-1])


async def test_each_kind_of_change_has_one_line(app: FastAPI, http: httpx2.AsyncClient) -> None:
    job_id = (await http.post(RUN_DAILY, json=BODY)).json()["job_id"]
    await http.post(f"{JOBS}/{job_id}/cancel")
    await http.get(f"{JOBS}/{job_id}", headers={"Prefer": "wait=10"})
    await http.post(f"{JOBS}/{job_id}/retry")
    await http.delete(f"{JOBS}/{job_id}")
    schedule = (await http.post(SCHEDULES, json=SCHEDULE)).json()["schedule_id"]
    await http.patch(f"{SCHEDULES}/{schedule}", json={"is_enabled": False})
    await http.post(f"{SCHEDULES}/{schedule}/run")
    await http.delete(f"{SCHEDULES}/{schedule}")
    user = (await http.post(USERS, json={"name": "hana", "password": PASSWORD})).json()["id"]
    await http.patch(f"{USERS}/{user}", json={"role": "admin"})
    token = (await http.post(TOKENS, json={"name": "n8n", "scopes": ["ingest"]})).json()["id"]
    await http.delete(f"{TOKENS}/{token}")
    found = await lines(http)
    assert next(line["action"] for line in found if line["target"] == job_id) == "run_daily"
    assert [(line["action"], line["target"]) for line in found if line["target"] in {schedule, user, token}] == [
        ("create_schedule", schedule),
        ("change_schedule", schedule),
        ("run_schedule", schedule),
        ("delete_schedule", schedule),
        ("create_user", user),
        ("change_user", user),
        ("create_token", token),
        ("revoke_token", token),
    ]
    assert {line["subject"] for line in found} == {"ingest_token"}
    assert {line["status"] for line in found} <= {200, 201, 202, 204}


async def test_a_line_says_who_what_and_from_where(app: FastAPI) -> None:
    user = await add_user(app, Role.ADMIN)
    token = await jwt_of(app, user)
    async with stranger_of(app, authorization=f"Bearer {token}", **{"x-request-id": "r-1"}) as mine:
        job_id = (await mine.post(RUN_DAILY, json=BODY)).json()["job_id"]
        (line,) = await lines(mine, action="run_daily")
    assert line.pop("at")
    assert line == {
        "subject": user.user_id, "name": user.name, "method": "jwt", "action": "run_daily", "target": job_id,
        "status": 202, "address": "127.0.0.1", "request_id": "r-1", "reason": "",
    }  # fmt: skip


async def test_each_submission_has_one_line_whether_its_job_is_new_or_not(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    admin = await add_user(real_app, Role.ADMIN, owner=f"team-{uuid4().hex}")
    async with stranger_of(real_app, authorization=f"Bearer {await jwt_of(real_app, admin)}") as mine:
        keyed = {"Idempotency-Key": "once"}
        ids = [(await mine.post(RUN_DAILY, json=BODY)).json()["job_id"] for _ in range(2)]
        ids += [
            (await mine.post(RUN_DAILY, json=BODY | {"chunk_size": 7}, headers=keyed)).json()["job_id"] for _ in "12"
        ]
        found = await lines(mine, action="run_daily")
    assert ids[0] == ids[1] != ids[2] == ids[3]
    assert [(line["target"], line["status"]) for line in found] == [(job_id, 202) for job_id in ids]


async def test_the_reason_of_a_cancel_and_a_retry_is_kept_as_text(
    real_app: FastAPI, real_http: httpx2.AsyncClient
) -> None:
    hostile = "<script>alert(1)</script> \u202eあ' OR 1=1 " + "x" * 150
    queued, failed = await plant_queued(real_app), await plant_final(real_app, "provider_error")
    for job, verb in ((queued, "cancel"), (failed, "retry")):
        answer = await real_http.post(f"{JOBS}/{job.job_id}/{verb}", json={"reason": hostile})
        assert answer.status_code == 202
    found = {line["target"]: line for line in await lines(real_http)}
    assert [found[job.job_id]["reason"] for job in (queued, failed)] == [hostile, hostile]


@pytest.mark.parametrize(
    "reason", ["", " ", "a ", "two\nlines", "\x1b[31m", "\x9b", "\x00", "\ud800", "x" * 201, 7, []], ids=ascii
)
async def test_a_reason_that_is_no_line_of_text_is_refused(
    real_app: FastAPI, real_http: httpx2.AsyncClient, reason: object
) -> None:
    body, headers = json.dumps({"reason": reason}), {"content-type": "application/json"}
    queued, failed = await plant_queued(real_app), await plant_final(real_app, "provider_error")
    for job, verb in ((queued, "cancel"), (failed, "retry")):
        answer = await real_http.post(f"{JOBS}/{job.job_id}/{verb}", content=body, headers=headers)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "#/reason")
    assert (await real_http.get(f"{JOBS}/{queued.job_id}")).json()["status"] == "queued"
    assert not {line["target"] for line in await lines(real_http)} & {queued.job_id, failed.job_id}


async def test_logins_and_log_outs_are_lines(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user = await add_user(app)
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    await browser.delete(SESSION)
    await jwt_of(app, user)
    found = await lines(http, subject=user.user_id)
    assert [(line["action"], line["status"]) for line in found] == [
        ("begin_session", 201), ("end_session", 204), ("log_in", 200),
    ]  # fmt: skip


async def test_refused_changes_are_audited_and_invalid_ones_are_not(app: FastAPI, http: httpx2.AsyncClient) -> None:
    token = await jwt_of(app, await add_user(app, Role.VIEWER))
    async with stranger_of(app, authorization=f"Bearer {token}") as viewer:
        assert (await viewer.post(RUN_DAILY, json=BODY)).status_code == 403
        assert (await viewer.get(USERS)).status_code == 403
    assert (await http.post(RUN_DAILY, json={"market": "MARS"})).status_code == 422
    assert (await http.post(f"{JOBS}/{'f' * 32}/cancel")).status_code == 404
    assert (await http.post("/api/v1/nothing")).status_code == 404
    assert (await http.get(JOBS)).status_code == 200
    async with stranger_of(app) as stranger:
        assert (await stranger.post(LOGIN, json={"token": "wrong"})).status_code == 401
        assert (await stranger.post(RUN_DAILY, json=BODY)).status_code == 401
    found = await lines(http)
    assert [(line["action"], line["status"]) for line in found] == [("log_in", 200), ("run_daily", 403)]


async def test_a_crash_is_a_line_for_it_may_have_changed_something(
    app: FastAPI, http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise RuntimeError("a bug")

    monkeypatch.setattr("kaboom.jobs.engine.lifecycle.Jobs.submit", crash)
    assert (await http.post(RUN_DAILY, json=BODY)).status_code == 500
    assert [(line["action"], line["status"]) for line in await lines(http)] == [("run_daily", 500)]


async def test_pages_have_every_line_once(app: FastAPI, http: httpx2.AsyncClient) -> None:
    for number in range(5):
        await http.post(TOKENS, json={"name": f"t{number}", "scopes": ["ingest"]})
    seen, url = list[str](), f"{AUDIT}?limit=2"
    while url:
        page = await http.get(url)
        seen += [line["target"] for line in page.json()["items"]]
        url = page.headers.get("link", "").partition(">")[0].lstrip("<")
    assert len(seen) == len(set(seen)) == 5


@pytest.mark.parametrize(
    "query",
    [
        {"limit": 201},
        {"cursor": "x"},
        {"cursor": 0},
        {"action": "A;"},
        {"owner": "x"},
        {"subject": "\x00"},
        {"since": "0.5"},
    ],
    ids=str,
)
async def test_a_bad_query_is_refused(http: httpx2.AsyncClient, query: dict[str, Any]) -> None:
    assert (await http.get(AUDIT, params=query)).status_code == 422


async def test_another_owners_lines_are_not_seen(app: FastAPI, http: httpx2.AsyncClient) -> None:
    await http.post(TOKENS, json={"name": "mine", "scopes": ["ingest"]})
    admin = await add_user(app, Role.ADMIN, owner="another")
    async with stranger_of(app, authorization=f"Bearer {await jwt_of(app, admin)}") as theirs:
        assert [line["action"] for line in await lines(theirs)] == ["log_in"]
    assert [line["action"] for line in await lines(http)] == ["create_token"]


class Away(MemoryAuditLog):
    """An audit log that does not answer while it is away."""

    is_away = True

    async def append(self, lines: Sequence[AuditLine]) -> None:
        if self.is_away:
            raise StoreError("PostgreSQL did not answer")
        await super().append(lines)


async def test_an_unwritable_audit_line_is_logged_and_written_later(anyio_backend: str) -> None:
    audit, trail, logged = Away(), AuditTrail(), list[dict[str, Any]]()
    trail.open(audit)
    caller = Principal("ingest", "jwt", "usr_1", "taro", frozenset())
    end = tap_lines(lambda line: logged.append(dict(line)))
    await trail.note(Change(caller, "cancel_job", "f" * 32, 202, "192.0.2.1", "r1"))
    end()
    (line,) = logged
    assert (line["event"], line["line"]["action"], line["line"]["subject"]) == (
        "audit_line_late",
        "cancel_job",
        "usr_1",
    )
    await trail.flush()
    audit.is_away = False
    await trail.flush()
    await trail.flush()
    assert [line.action for line in await audit.list_lines(AuditQuery("ingest"))] == ["cancel_job"]


async def test_hostile_names_are_text(app: FastAPI) -> None:
    async with client_of(app) as http:
        name = "<script>alert(1)</script>" + "あ" * 50
        made = await http.post(TOKENS, json={"name": name, "scopes": ["ingest", "admin"]})
        assert made.status_code == 201
        async with stranger_of(app, authorization=f"Bearer {made.json()['token']}") as program:
            await program.post(TOKENS, json={"name": "x", "scopes": ["ingest"]})
            (line,) = await lines(program, subject=f"kbm_{made.json()['id']}")
        assert line["name"] == name
