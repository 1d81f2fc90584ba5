"""A session of a browser makes admin changes only if its password was entered in the last ten minutes."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.cookies import session_id_of
from kaboom.web.auth.guard import CONFIRMED
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    AUDIT,
    ME,
    PASSWORD,
    TOKENS,
    USERS,
    accounts_of_app,
    add_token,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import supabase
from tests.fixtures.jobs.apps import RUN_DAILY, TOKEN, memory_settings, real_settings, running

pytestmark = pytest.mark.anyio
CONFIRM = "/api/v1/session/confirm"
NEW: dict[str, Any] = {"name": "n8n", "scopes": ["jobs:read"]}


async def age(app: FastAPI, browser: httpx2.AsyncClient, by: timedelta = CONFIRMED) -> None:
    """Let a session have been confirmed some time ago."""
    store = accounts_of_app(app).directory.store
    session_id = session_id_of(next(iter(browser.cookies.values())))
    session = await store.load_session(session_id)
    assert session
    await store.end_session(session_id)
    await store.add_session(replace(session, confirmed_at=datetime.now(UTC) - by))
    accounts_of_app(app).directory.forget(session_id)


async def test_a_stale_session_reads_and_works_but_changes_nothing_of_admins(app: FastAPI) -> None:
    admin, user = await add_user(app, Role.ADMIN), await add_user(app)
    browser = await browser_of(app, user=admin.name, password=PASSWORD)
    assert (await browser.post(TOKENS, json=NEW)).status_code == 201
    await age(app, browser)
    (token,) = (await browser.get(TOKENS)).json()["items"]
    changes = [
        await browser.post(TOKENS, json=NEW),
        await browser.delete(f"{TOKENS}/{token['id']}"),
        await browser.post(USERS, json={"name": "new", "password": PASSWORD}),
        await browser.patch(f"{USERS}/{user.user_id}", json={"role": "admin"}),
        await browser.delete(f"/api/v1/sessions/{'0' * 16}"),
    ]
    assert {(answer.status_code, answer.json()["type"].rpartition("/")[2]) for answer in changes} == {
        (403, "password-needed")
    }
    assert (await browser.get(ME)).status_code == 200
    body = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}
    assert (await browser.post(RUN_DAILY, json=body)).status_code == 202


async def test_the_password_confirms_for_ten_minutes(app: FastAPI) -> None:
    admin = await add_user(app, Role.ADMIN)
    browser = await browser_of(app, user=admin.name, password=PASSWORD)
    await age(app, browser)
    for wrong in ({"password": "wrong"}, {"token": TOKEN}):
        assert (await browser.post(CONFIRM, json=wrong)).status_code == 401
    assert (await browser.post(TOKENS, json=NEW)).status_code == 403
    confirmed = await browser.post(CONFIRM, json={"password": PASSWORD})
    left = datetime.fromisoformat(confirmed.json()["confirmed_until"]) - datetime.now(UTC)
    assert timedelta(minutes=9) < left <= CONFIRMED
    assert (await browser.post(TOKENS, json=NEW)).status_code == 201
    await age(app, browser, CONFIRMED - timedelta(seconds=30))
    assert (await browser.post(TOKENS, json=NEW)).status_code == 201


async def test_confirming_is_audited_and_slowed(app: FastAPI, http: httpx2.AsyncClient) -> None:
    admin = await add_user(app, Role.ADMIN)
    browser = await browser_of(app, user=admin.name, password=PASSWORD)
    await browser.post(CONFIRM, json={"password": PASSWORD})
    (line,) = (await http.get(AUDIT, params={"action": "confirm_session"})).json()["items"]
    assert (line["subject"], line["status"]) == (admin.user_id, 200)
    tries = [(await browser.post(CONFIRM, json={"password": "wrong"})).status_code for _ in range(7)]
    assert tries[0] == 401
    assert tries[-1] == 429


async def test_a_session_of_a_token_is_confirmed_by_the_same_token(app: FastAPI) -> None:
    _, text = await add_token(app, *Scope)
    _, other = await add_token(app, *Scope)
    browser = await browser_of(app, token=text)
    await age(app, browser)
    refused = [(await browser.post(CONFIRM, json={"token": each})).status_code for each in (other, TOKEN, "")]
    assert refused == [401] * 3
    assert (await browser.post(TOKENS, json=NEW)).status_code == 403
    assert (await browser.post(CONFIRM, json={"token": text})).status_code == 200
    assert (await browser.post(TOKENS, json=NEW)).status_code == 201


async def test_a_session_of_supabase_is_confirmed_by_a_jwt_of_the_same_user(tmp_path: Path) -> None:
    metadata = {"kaboom_role": "admin", "kaboom_owner": "ingest"}
    with supabase() as project:
        async with running(memory_settings(tmp_path, supabase_url=project.url)) as app:
            browser = await browser_of(app, token=project.sign(app_metadata=metadata))
            await age(app, browser)
            theirs = await browser.post(CONFIRM, json={"token": project.sign(app_metadata=metadata, sub="another")})
            assert (theirs.status_code, (await browser.post(TOKENS, json=NEW)).status_code) == (401, 403)
            await browser.post(CONFIRM, json={"token": project.sign(app_metadata=metadata)})
            assert (await browser.post(TOKENS, json=NEW)).status_code == 201


async def test_tokens_and_jwts_are_never_asked(app: FastAPI) -> None:
    admin = await add_user(app, Role.ADMIN)
    _, text = await add_token(app, *Scope)
    for headers in ({"x-ingest-token": text}, {"authorization": f"Bearer {await jwt_of(app, admin)}"}):
        async with stranger_of(app, **headers) as http:
            assert (await http.post(TOKENS, json=NEW)).status_code == 201
            assert (await http.post(CONFIRM, json={"password": PASSWORD})).status_code == 404


async def test_what_one_process_confirmed_holds_in_another_at_once(
    redis_url: str, database_url: str, tmp_path: Path
) -> None:
    settings = real_settings(redis_url, database_url, tmp_path)
    async with running(settings) as one, running(settings) as other:
        admin = await add_user(one, Role.ADMIN)
        browser = await browser_of(one, user=admin.name, password=PASSWORD)
        cookie = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
        await age(one, browser)
        headers = {name: browser.headers[name] for name in ("origin", "x-csrf-token")} | {"cookie": cookie}
        async with stranger_of(other, **headers) as there:
            there.base_url = "https://kaboom"
            assert (await there.post(TOKENS, json=NEW)).status_code == 403
            assert (await browser.post(CONFIRM, json={"password": PASSWORD})).status_code == 200
            assert (await there.post(TOKENS, json=NEW)).status_code == 201
