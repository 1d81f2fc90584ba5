"""Sessions of browsers: the cookie, CSRF, idle and absolute ends, and logging out."""

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.accounts.model import UserChange
from kaboom.web.auth.cookies import (
    cookie_name,
    csrf_token_of,
    find_csrf_fault,
    mask_csrf_token,
    read_session_value,
    session_id_of,
)
from kaboom.web.auth.scopes import Role, Scope
from tests.fixtures.accounts.callers import (
    LOGIN_SESSION,
    ME,
    PASSWORD,
    SESSION,
    accounts_of_app,
    add_token,
    add_user,
    browser_of,
    jwt_of,
    stranger_of,
)
from tests.fixtures.accounts.jwts import Project, supabase
from tests.fixtures.jobs.apps import JOBS, RUN_DAILY, TOKEN, memory_settings, running

pytestmark = pytest.mark.anyio
BODY = {"intervals": {"1d": 1}, "symbols": ["7203"], "session": "2025-11-04", "dry_run": True}
VALUE = "A" * 43


@pytest.fixture
def project() -> Iterator[Project]:
    """A Supabase project."""
    with supabase() as made:
        yield made


async def status_of(app: FastAPI, browser: httpx2.AsyncClient) -> int:
    """Return what a browser gets, without answers that are kept from before."""
    value = next(iter(browser.cookies.values()), "")
    accounts_of_app(app).directory.forget(session_id_of(value))
    return (await browser.get(ME)).status_code


async def test_a_browser_logs_in_reads_and_changes(app: FastAPI) -> None:
    user = await add_user(app)
    browser = await browser_of(app, user=user.name, password=PASSWORD)
    me = (await browser.get(ME)).json()
    assert (me["subject"], me["method"], me["role"]) == (user.user_id, "session", "operator")
    shown = (await browser.get(SESSION)).json()
    assert shown["csrf_token"] == browser.headers["x-csrf-token"]
    assert shown["me"] == me
    assert (await browser.post(RUN_DAILY, json=BODY)).status_code == 202


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://kaboom.example.com", ("__Host-kaboom", "Secure")),
        ("http://kaboom.example.com", ("__Host-kaboom", "Secure")),
        ("http://127.0.0.1:8000", ("kaboom-8000", "")),
        ("http://localhost:8123", ("kaboom-8123", "")),
        ("http://[::1]:8123", ("kaboom-8123", "")),
    ],
)
async def test_the_cookie_is_kept_from_scripts_and_from_other_sites(
    app: FastAPI, url: str, wanted: tuple[str, str]
) -> None:
    async with stranger_of(app, host=url.partition("://")[2]) as http:
        cookie = (await http.post(LOGIN_SESSION, json={"token": TOKEN})).headers["set-cookie"]
    name, _, rest = cookie.partition("=")
    parts = rest.split("; ")
    assert name == wanted[0]
    assert len(parts[0]) == 43
    assert {"Path=/", "HttpOnly", "SameSite=Lax"} <= set(parts)
    assert ("Secure" in parts) == bool(wanted[1])
    assert "Domain" not in cookie


async def test_the_ledger_cannot_be_used_to_log_in(app: FastAPI) -> None:
    browser = await browser_of(app, token=TOKEN)
    (value,) = browser.cookies.values()
    session = await accounts_of_app(app).directory.store.load_session(session_id_of(value))
    assert session
    assert value not in repr(session)
    async with stranger_of(app, cookie=f"__Host-kaboom={session.session_id[:43]}") as thief:
        assert (await thief.get(ME)).status_code == 401


class TestCsrf:
    @pytest.mark.parametrize(
        "headers",
        [
            {"x-csrf-token": ""},
            {"x-csrf-token": "wrong"},
            {"x-csrf-token": csrf_token_of(VALUE)},
            {"origin": "https://evil.example.com"},
            {"origin": "https://kaboom.evil.example.com"},
            {"origin": "https://kaboom:8443"},
            {"origin": "null"},
            {"origin": ""},
            {"origin": "https://["},
            {"sec-fetch-site": "cross-site"},
            {"sec-fetch-site": "same-site"},
        ],
        ids=str,
    )
    async def test_a_change_that_was_not_meant_is_refused(self, app: FastAPI, headers: dict[str, str]) -> None:
        browser = await browser_of(app, token=TOKEN)
        answer = await browser.post(RUN_DAILY, json=BODY, headers=headers)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "forbidden")
        assert (await browser.get(JOBS, headers=headers)).status_code == 200

    async def test_without_an_origin_the_browser_must_vouch(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        del browser.headers["origin"]
        for site, status in (("", 403), ("cross-site", 403), ("same-site", 403), ("none", 403), ("same-origin", 202)):
            headers = {"sec-fetch-site": site} if site else {}
            assert (await browser.post(RUN_DAILY, json=BODY, headers=headers)).status_code == status, site

    async def test_the_token_of_another_session_is_wrong(self, app: FastAPI) -> None:
        one, other = [await browser_of(app, token=TOKEN) for _ in range(2)]
        headers = {"x-csrf-token": other.headers["x-csrf-token"]}
        assert (await one.post(RUN_DAILY, json=BODY, headers=headers)).status_code == 403

    async def test_the_api_reads_no_token_from_a_body(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        token = browser.headers.pop("x-csrf-token")
        body, headers = f"csrf={token}", {"content-type": "application/json"}
        answer = await browser.post(RUN_DAILY, content=body, headers=headers)
        assert (answer.status_code, answer.json()["type"].rpartition("/")[2]) == (403, "forbidden")

    async def test_every_changing_method_needs_it(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        for method in ("POST", "PUT", "PATCH", "DELETE", "TRACE", "PROPFIND"):
            answer = await browser.request(method, "/api/v1/nothing", headers={"x-csrf-token": ""})
            assert answer.status_code == 403, method

    async def test_a_token_in_a_header_needs_none(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        headers = {"x-ingest-token": TOKEN, "x-csrf-token": "", "origin": "https://elsewhere.example.com"}
        assert (await browser.post(RUN_DAILY, json=BODY, headers=headers)).status_code == 202

    def test_a_masked_token_is_the_token(self) -> None:
        headers = {b"host": b"kaboom", b"origin": b"https://kaboom", b"cookie": f"__Host-kaboom={VALUE}".encode()}
        masked = [mask_csrf_token(csrf_token_of(value)) for value in (VALUE, VALUE, "B" * 43)]
        faults = [find_csrf_fault(headers | {b"x-csrf-token": each.encode()}) for each in masked]
        assert [bool(fault) for fault in faults] == [False, False, True]
        assert masked[0] != masked[1]
        changed = ("A" if masked[0][-2] != "A" else "B").join((masked[0][:-2], masked[0][-1]))
        assert find_csrf_fault(headers | {b"x-csrf-token": changed.encode()})

    @pytest.mark.parametrize("token", ["", "é", "\x00", "x" * 86, "é" * 43, "x" * 100_000], ids=len)
    def test_any_token_is_compared(self, token: str) -> None:
        headers = {b"host": b"kaboom", b"origin": b"https://kaboom", b"cookie": f"__Host-kaboom={VALUE}".encode()}
        assert "x-csrf-token" in find_csrf_fault(headers | {b"x-csrf-token": token.encode()})


class TestEnds:
    async def test_an_unused_session_ends_after_12_h(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        await self._change(app, browser, seen_at=datetime.now(UTC) - timedelta(hours=12) + timedelta(minutes=1))
        assert await status_of(app, browser) == 200
        await self._change(app, browser, seen_at=datetime.now(UTC) - timedelta(hours=12))
        assert await status_of(app, browser) == 401

    async def test_a_used_session_ends_after_7_days(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        expires_at = datetime.fromisoformat((await browser.get(SESSION)).json()["expires_at"])
        assert timedelta(days=7) - timedelta(minutes=1) < expires_at - datetime.now(UTC) <= timedelta(days=7)
        await self._change(app, browser, expires_at=datetime.now(UTC))
        assert await status_of(app, browser) == 401

    async def test_logging_out_ends_this_session_alone(self, app: FastAPI) -> None:
        one, other = [await browser_of(app, token=TOKEN) for _ in range(2)]
        answer = await one.delete(SESSION)
        assert answer.status_code == 204
        assert "Max-Age=0" in answer.headers["set-cookie"]
        assert (await one.get(ME)).status_code == 401
        assert (await other.get(ME)).status_code == 200

    async def test_logging_out_everywhere_ends_sessions_and_jwts(self, app: FastAPI) -> None:
        user, stranger = await add_user(app), await add_user(app)
        jwt = await jwt_of(app, user)
        one, other = [await browser_of(app, user=user.name, password=PASSWORD) for _ in range(2)]
        theirs = await browser_of(app, user=stranger.name, password=PASSWORD)
        assert (await one.delete(SESSION, params={"everywhere": True})).status_code == 204
        async with stranger_of(app, authorization=f"Bearer {jwt}") as http:
            statuses = [(await client.get(ME)).status_code for client in (one, other, http, theirs)]
        assert statuses == [401, 401, 401, 200]
        again = await browser_of(app, user=user.name, password=PASSWORD)
        assert (await again.get(ME)).status_code == 200

    @pytest.mark.parametrize(("later_us", "status"), [(-1, 401), (0, 401), (1, 200)])
    async def test_a_log_out_everywhere_ends_what_began_until_that_moment(
        self, app: FastAPI, later_us: int, status: int
    ) -> None:
        user = await add_user(app)
        browser = await browser_of(app, user=user.name, password=PASSWORD)
        directory, moment = accounts_of_app(app).directory, datetime.now(UTC)
        await directory.store.sign_out(user.user_id, moment)
        directory.forget(user.user_id)
        await self._change(app, browser, created_at=moment + timedelta(microseconds=later_us))
        assert await status_of(app, browser) == status

    async def test_a_stolen_cookie_does_not_outlive_the_log_out(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        (value,) = browser.cookies.values()
        await browser.delete(SESSION)
        async with stranger_of(app, cookie=f"__Host-kaboom={value}") as thief:
            assert (await thief.get(ME)).status_code == 401

    async def test_a_login_ends_the_session_before_it(self, app: FastAPI) -> None:
        browser = await browser_of(app, token=TOKEN)
        (old,) = browser.cookies.values()
        await browser.post(LOGIN_SESSION, json={"token": TOKEN})
        assert old not in browser.cookies.values()
        async with stranger_of(app, cookie=f"__Host-kaboom={old}") as http:
            assert (await http.get(ME)).status_code == 401

    async def test_a_disabled_user_is_out(self, app: FastAPI) -> None:
        user = await add_user(app)
        browser = await browser_of(app, user=user.name, password=PASSWORD)
        async with stranger_of(app, **{"x-ingest-token": TOKEN}) as admin:
            answer = await admin.patch(f"/api/v1/users/{user.user_id}", json={"is_disabled": True})
            assert answer.status_code == 200
        assert (await browser.get(ME)).status_code == 401

    async def test_a_login_that_came_after_the_disabling_is_out(self, app: FastAPI) -> None:
        user = await add_user(app)
        browser = await browser_of(app, user=user.name, password=PASSWORD)
        directory = accounts_of_app(app).directory
        # Without the sign-out that the route adds: this login began after it.
        await directory.store.change_user(user.owner, user.user_id, UserChange(is_disabled=True))
        directory.forget(user.user_id)
        assert await status_of(app, browser) == 401

    async def test_a_role_holds_at_once_in_a_session(self, app: FastAPI) -> None:
        user = await add_user(app, Role.VIEWER)
        browser = await browser_of(app, user=user.name, password=PASSWORD)
        assert (await browser.post(RUN_DAILY, json=BODY)).status_code == 403
        async with stranger_of(app, **{"x-ingest-token": TOKEN}) as admin:
            await admin.patch(f"/api/v1/users/{user.user_id}", json={"role": "operator"})
        assert (await browser.post(RUN_DAILY, json=BODY)).status_code == 202

    async def test_a_revoked_token_ends_its_sessions(self, app: FastAPI) -> None:
        token, text = await add_token(app, Scope.JOBS_READ)
        browser = await browser_of(app, token=text)
        assert (await browser.get(JOBS)).status_code == 200
        async with stranger_of(app, **{"x-ingest-token": TOKEN}) as admin:
            assert (await admin.delete(f"/api/v1/tokens/{token.token_id}")).status_code == 200
        assert (await browser.get(JOBS)).status_code == 401

    async def _change(self, app: FastAPI, browser: httpx2.AsyncClient, **values: Any) -> None:
        directory = accounts_of_app(app).directory
        await asyncio.gather(*directory._touching)
        store = directory.store
        session_id = session_id_of(next(iter(browser.cookies.values())))
        session = await store.load_session(session_id)
        assert session
        await store.end_session(session_id)
        await store.add_session(replace(session, **values))


async def test_a_supabase_user_has_a_session_until_it_logs_out(tmp_path: Path, project: Project) -> None:
    async with running(memory_settings(tmp_path, supabase_url=project.url)) as app:
        browser = await browser_of(app, token=project.sign())
        me = (await browser.get(ME)).json()
        assert (me["subject"], me["role"], me["method"]) == ("supabase:8d7f", "operator", "session")
        expires_at = datetime.fromisoformat((await browser.get(SESSION)).json()["expires_at"])
        assert expires_at - datetime.now(UTC) <= timedelta(hours=12)
        other = await browser_of(app, token=project.sign())
        await browser.delete(SESSION, params={"everywhere": True})
        assert [(await each.get(ME)).status_code for each in (browser, other)] == [401, 401]


async def test_a_session_of_a_supabase_user_ends_with_its_jwt(tmp_path: Path, project: Project) -> None:
    async with running(memory_settings(tmp_path, supabase_url=project.url)) as app:
        ends_at = int(time.time()) + 600
        browser = await browser_of(app, token=project.sign(exp=ends_at))
        shown = (await browser.get(SESSION)).json()
        assert datetime.fromisoformat(shown["expires_at"]).timestamp() == ends_at
        # After the end of the JWT, within the leeway of clocks, a session of it has ended at once.
        over = await browser_of(app, token=project.sign(iat=ends_at - 1200, exp=ends_at - 605))
        assert (await over.get(ME)).status_code == 401


async def test_a_jwt_of_supabase_is_void_after_a_log_out_everywhere(tmp_path: Path, project: Project) -> None:
    async with running(memory_settings(tmp_path, supabase_url=project.url)) as app:
        token, other = project.sign(), project.sign(sub="another")
        async with stranger_of(app, authorization=f"Bearer {token}") as http:
            assert (await http.get(ME)).status_code == 200
            assert (await http.delete(SESSION, params={"everywhere": True})).status_code == 204
            assert (await http.get(ME)).status_code == 401
            assert (await http.get(ME, headers={"authorization": f"Bearer {other}"})).status_code == 200
            later = project.sign(iat=int(time.time()) + 1)
            assert (await http.get(ME, headers={"authorization": f"Bearer {later}"})).status_code == 200


async def test_a_caller_without_a_cookie_has_no_session(app: FastAPI, http: httpx2.AsyncClient) -> None:
    assert (await http.get(SESSION)).status_code == 404
    assert (await http.delete(SESSION)).status_code == 204


@pytest.mark.parametrize(
    ("cookie", "value"),
    [
        (f"__Host-kaboom={VALUE}", VALUE),
        (f"a=b; __Host-kaboom={VALUE}; c=d", VALUE),
        (f"kaboom-0={VALUE}", ""),
        (f"__host-kaboom={VALUE}", ""),
        (f"__Host-kaboom={VALUE}x", ""),
        ("__Host-kaboom=", ""),
        ("__Host-kaboom", ""),
        (";;;===", ""),
        ("__Host-kaboom=" + "\xff" * 43, ""),
        ("x" * 100_000, ""),
    ],
    ids=lambda text: text[:30],
)
def test_only_the_right_cookie_is_read(cookie: str, value: str) -> None:
    assert read_session_value({b"host": b"kaboom.example.com", b"cookie": cookie.encode("latin-1")}) == value


def test_a_cookie_of_loopback_is_read_on_its_own_port_alone() -> None:
    names = [cookie_name({b"host": host}) for host in (b"127.0.0.1:8000", b"127.0.0.1:8001", b"localhost:8000")]
    assert names == ["kaboom-8000", "kaboom-8001", "kaboom-8000"]
