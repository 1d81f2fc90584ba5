"""Sessions of browsers are listed and ended, one's own by everybody and all by an admin."""

from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
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
from tests.fixtures.accounts.records import make_session
from tests.fixtures.jobs.apps import TOKEN, client_of

pytestmark = pytest.mark.anyio
OWN, ALL = "/api/v1/me/sessions", "/api/v1/sessions"


async def ids_of(http: httpx2.AsyncClient, path: str = OWN) -> list[str]:
    """Return the ids of a list of sessions."""
    return [one["id"] for one in (await http.get(path)).json()["items"]]


async def test_a_user_sees_its_own_sessions_and_ends_one(app: FastAPI) -> None:
    user, other = await add_user(app, Role.VIEWER), await add_user(app, Role.VIEWER)
    desk, phone, theirs = [
        await browser_of(app, user=name, password=PASSWORD) for name in (user.name, user.name, other.name)
    ]
    shown = (await desk.get(OWN)).json()["items"]
    assert [one["is_current"] for one in shown].count(True) == 1
    assert {(one["name"], one["logged_in_by"], one["address"]) for one in shown} == {
        (user.name, "password", "127.0.0.1")
    }
    assert all(one["agent"].startswith("python-httpx2") for one in shown)
    (its,) = [one["id"] for one in shown if not one["is_current"]]
    assert (await theirs.delete(f"{OWN}/{its}")).status_code == 404
    assert (await desk.delete(f"{OWN}/{its}")).status_code == 204
    assert [(await browser.get(ME)).status_code for browser in (desk, phone, theirs)] == [200, 401, 200]
    assert len(await ids_of(desk)) == 1
    assert (await desk.get(ALL)).status_code == 403


async def test_no_session_can_be_opened_with_what_a_list_shows(app: FastAPI) -> None:
    user = await add_user(app, Role.VIEWER)
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    text = (await browser.get(OWN)).text
    value = next(iter(browser.cookies.values()))
    assert value not in text
    assert browser.headers["x-csrf-token"] not in text


async def test_an_admin_sees_and_ends_all_sessions_of_its_owner(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user, strange = await add_user(app), await add_user(app, owner="another")
    browser, foreign = [await browser_of(app, user=each.name, password=PASSWORD) for each in (user, strange)]
    by_token = await browser_of(app, token=TOKEN)
    shown = (await http.get(ALL)).json()["items"]
    assert sorted(one["logged_in_by"] for one in shown) == ["ingest_token", "password"]
    assert await ids_of(http) == await ids_of(by_token)
    (its,) = [one["id"] for one in shown if one["subject"] == user.user_id]
    assert (await http.delete(f"{ALL}/{(await ids_of(foreign))[0]}")).status_code == 404
    assert (await http.delete(f"{ALL}/{its}")).status_code == 204
    assert [(await each.get(ME)).status_code for each in (browser, foreign, by_token)] == [401, 200, 200]


async def test_a_session_that_has_ended_is_not_listed(app: FastAPI, http: httpx2.AsyncClient) -> None:
    store, user = accounts_of_app(app).directory.store, await add_user(app)
    token, text = await add_token(app, Scope.JOBS_READ)
    await browser_of(app, token=text)
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    await store.add_session(make_session("ingest", age=timedelta(hours=12)))
    await store.add_session(make_session("ingest", left=timedelta(seconds=-1)))
    assert len(await ids_of(http, ALL)) == 2
    await http.delete(f"{TOKENS}/{token.token_id}")
    assert len(await ids_of(http, ALL)) == 1
    await browser.delete("/api/v1/session", params={"everywhere": True})
    assert await ids_of(http, ALL) == []


async def test_an_admin_logs_a_user_out_everywhere(app: FastAPI, http: httpx2.AsyncClient) -> None:
    user = await add_user(app)
    browser, jwt = await browser_of(app, user=user.name, password=PASSWORD), await jwt_of(app, user)
    assert (await http.delete(f"{USERS}/{user.user_id}/sessions")).status_code == 204
    async with stranger_of(app, authorization=f"Bearer {jwt}") as by_jwt:
        assert [(await each.get(ME)).status_code for each in (browser, by_jwt)] == [401, 401]
    assert (await browser_of(app, user=user.name, password=PASSWORD)).cookies


async def test_the_name_of_a_browser_is_shown_without_what_does_not_show(app: FastAPI) -> None:
    user = await add_user(app)
    body = {"user": user.name, "password": PASSWORD}
    async with stranger_of(app, **{"user-agent": "a\x1b[31m" + "b" * 300}) as http:
        assert (await http.post("/api/v1/login/session", json=body)).status_code == 201
    async with client_of(app) as http:
        (one,) = (await http.get(ALL)).json()["items"]
    assert (one["agent"], len(one["agent"])) == (("a[31m" + "b" * 300)[:200], 200)
    assert datetime.fromisoformat(one["created_at"]) - datetime.now(UTC) < timedelta(minutes=1)
