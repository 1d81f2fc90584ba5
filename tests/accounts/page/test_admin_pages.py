"""The pages of admins: settings, users, tokens, the audit log."""

import re
from datetime import UTC, date, datetime, time
from pathlib import Path
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.audit.log import AuditLine
from kaboom.audit.store import open_audit_log
from kaboom.web.auth.scopes import SCOPES, Role, Scope
from tests.fixtures.accounts.callers import PASSWORD, accounts_of_app, add_token, add_user, stranger_of
from tests.fixtures.jobs.apps import TOKEN, jobs_of, memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, read_page, tags_of, text_of

pytestmark = pytest.mark.anyio
HOSTILE = "<script>alert(1)</script>\u202e\u001b[31m" + "x" * 10_000
PAGES = ("/settings", "/users", "/tokens", "/audit")


def first_fault(html: str) -> str:
    return next(tag["id"] for _, tag in tags_of(html) if tag.get("id", "").endswith("-fault"))


@pytest.mark.parametrize("path", PAGES)
async def test_only_admins_open_them(app: FastAPI, path: str) -> None:
    for role in ("viewer", "operator"):
        async with browser_of(app, role=role) as browser:
            answer = await browser.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (403, "text/html; charset=utf-8")
    async with browser_of(app, **{"accept-language": "ja"}) as admin:
        assert "監査ログ" in text_of(await read_page(admin, path))


async def test_settings_show_no_secret(tmp_path: Path) -> None:
    values = {"jquants_api_key": "secret-of-jquants", "slots": 7}
    async with running(memory_settings(tmp_path, **values), authenticators=[VIEWERS]) as app, browser_of(app) as admin:
        html = await read_page(admin, "/settings")
        changed = text_of((await read_page(admin, "/settings?shown=changed")).replace("<wbr>", ""))
    assert TOKEN not in html
    assert "secret-of" not in html
    assert "JQUANTS_API_KEY *** set, and hidden" in text_of(html.replace("<wbr>", ""))
    assert "KABOOM_SLOTS 7 changed" in changed
    assert "KABOOM_LOG_LEVEL" not in changed


class TestUsers:
    async def test_the_scopes_of_each_role_are_in_the_order_of_their_names(self, browser: httpx2.AsyncClient) -> None:
        text = text_of(await read_page(browser, "/users"))
        for role in Role:
            assert ", ".join(sorted(SCOPES[role])) in text

    async def test_a_user_is_added_changed_and_disabled(self, app: FastAPI, browser: httpx2.AsyncClient) -> None:
        assert "There is no user yet." in text_of(await read_page(browser, "/users"))
        form = {"name": "taro@example.com", "password": PASSWORD, "role": "viewer"}
        assert (await browser.post("/users", data=form)).headers["location"] == "/users?done=added"
        html = await read_page(browser, "/users?done=added")
        assert "enabled taro@example.com" in text_of(html.replace("<wbr>", ""))
        (path,) = {tag["action"] for name, tag in tags_of(html) if tag.get("action", "").startswith("/users/")}
        await browser.post(path, data={"change": "role_operator"})
        await browser.post(path, data={"change": "password", "password": "another battery of staples"})
        async with stranger_of(app) as http:
            body = {"user": "taro@example.com", "password": "another battery of staples"}
            assert (await http.post("/api/v1/login", json=body)).json()["me"]["role"] == "operator"
        await browser.post(path, data={"change": "disable"})
        assert "disabled taro@example.com" in text_of(await read_page(browser, "/users"))
        for change in ("", "delete", "role_owner"):
            assert (await browser.post(path, data={"change": change})).status_code == 422

    async def test_a_refused_user_is_shown_again_without_the_password(self, browser: httpx2.AsyncClient) -> None:
        form = {"name": "hanako <b>", "password": "too short", "role": "admin"}
        answer = await browser.post("/users", data=form)
        assert answer.status_code == 422
        assert "too short" not in answer.text
        assert [tag["value"] for _, tag in tags_of(answer.text) if tag.get("name") == "name"] == ["hanako <b>"]
        assert first_fault(answer.text) == "f-password-fault"

    async def test_hostile_names_are_text_and_others_do_not_see_them(self, app: FastAPI) -> None:
        user = await add_user(app, Role.VIEWER, name=HOSTILE)
        async with browser_of(app) as admin, browser_of(app, owner="other") as other:
            assert "<script>alert" not in await read_page(admin, "/users")
            assert user.user_id not in await read_page(other, "/users")
            assert (await other.post(f"/users/{user.user_id}", data={"change": "disable"})).status_code == 404


class TestTokens:
    async def test_the_value_is_shown_once_and_works_until_it_is_revoked(
        self, app: FastAPI, browser: httpx2.AsyncClient
    ) -> None:
        assert "There is no token but INGEST_API_TOKEN." in text_of(await read_page(browser, "/tokens"))
        form = {"name": "n8n", "scopes": ["jobs:read", "ingest"], "expires_days": "90"}
        answer = await browser.post("/tokens", data=form)
        assert (answer.status_code, answer.headers["cache-control"]) == (201, "private, no-store")
        secret = text_of(answer.text.split('id="secret">')[1].split("</code>")[0])
        assert secret.startswith("kbm_")
        html = await read_page(browser, "/tokens")
        assert secret not in html
        assert "valid n8n" in text_of(html.replace("<wbr>", ""))
        async with stranger_of(app, **{"x-ingest-token": secret}) as program:
            assert (await program.get("/api/v1/jobs")).status_code == 200
            (path,) = {tag["action"] for _, tag in tags_of(html) if tag.get("action", "").endswith("/revoke")}
            assert (await browser.post(path)).headers["location"] == "/tokens?done=revoked"
            assert (await program.get("/api/v1/jobs")).status_code == 401
        assert "revoked n8n" in text_of(await read_page(browser, "/tokens?done=revoked"))

    @pytest.mark.parametrize(
        ("values", "field"),
        [
            ({"scopes": []}, "scopes"),
            ({"scopes": ["everything"]}, "scopes"),
            ({"name": " "}, "name"),
            ({"expires_days": "soon"}, "expires_days"),
            ({"expires_days": "4000"}, "expires_days"),
        ],
    )
    async def test_a_refused_token_says_why_at_its_field(
        self, browser: httpx2.AsyncClient, values: dict[str, object], field: str
    ) -> None:
        answer = await browser.post("/tokens", data={"name": "n8n", "scopes": ["ingest"], "expires_days": ""} | values)
        assert answer.status_code == 422
        assert 'id="secret"' not in answer.text
        assert first_fault(answer.text) == f"f-{field}-fault"

    async def test_hostile_names_are_text_and_others_do_not_see_them(self, app: FastAPI) -> None:
        token, _ = await add_token(app, Scope.INGEST, name=HOSTILE)
        async with browser_of(app) as admin, browser_of(app, owner="other") as other:
            assert "<script>alert" not in await read_page(admin, "/tokens")
            assert token.token_id not in await read_page(other, "/tokens")
            assert (await other.post(f"/tokens/{token.token_id}/revoke")).status_code == 404


class TestAudit:
    async def test_forms_are_noted_as_the_api_names_them(self, app: FastAPI, browser: httpx2.AsyncClient) -> None:
        assert "Nothing was changed that matches." in text_of(await read_page(browser, "/audit"))
        await browser.post("/tokens", data={"name": "n8n", "scopes": ["ingest"]})
        (token,) = await accounts_of_app(app).directory.store.list_tokens("ingest")
        await browser.post(f"/tokens/{token.token_id}/revoke")
        html = await read_page(browser, "/audit")
        rows = [text_of(row) for row in re.findall(r"<tr><td.*?</tr>", html, re.DOTALL)]
        for row, action in zip(rows, ("revoke_token", "create_token"), strict=True):
            assert "Hanako" in row
            assert action in row
            assert token.token_id in row
        one = text_of(await read_page(browser, "/audit?action=create_token&first=2020-01-01&last=2099-01-01"))
        assert "create_token" in one
        assert "revoke_token" not in one
        assert "Nothing was changed" in text_of(await read_page(browser, "/audit?last=2020-01-01"))
        async with browser_of(app, owner="other") as other:
            assert token.token_id not in await read_page(other, "/audit")

    async def test_pages_follow_and_filters_stay(self, browser: httpx2.AsyncClient) -> None:
        for _ in range(52):
            await browser.post("/tokens", data={"name": "n8n", "scopes": ["ingest"]})
        html = await read_page(browser, "/audit?action=create_token")
        (older,) = [tag["href"] for _, tag in tags_of(html) if tag.get("rel") == "next"]
        assert "action=create_token" in older
        rest = await read_page(browser, older)
        assert html.count("<tr><td") + rest.count("<tr><td") == 52

    async def test_days_are_those_of_japan_and_the_last_one_is_included(
        self, app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        log = jobs_of(app).parts.database.open(open_audit_log)
        # The 5th and 6th in Japan, with a line just before and after each midnight.
        for target, (day, clock) in {
            "tgt-1": (4, time(14, 59, 59)),
            "tgt-2": (4, time(15)),
            "tgt-3": (6, time(14, 59, 59)),
            "tgt-4": (6, time(15)),
        }.items():
            at = datetime.combine(date(2026, 1, day), clock, UTC)
            monkeypatch.setattr(log, "_clock", lambda at=at: at)
            caller = ("ingest", "usr_1", "Hanako", "session", "create_token")
            await log.append([AuditLine(uuid4().hex, *caller, target, 201, "", "")])
        html = await read_page(browser, "/audit?first=2026-01-05&last=2026-01-06")
        assert list(dict.fromkeys(re.findall(r"tgt-\d", text_of(html)))) == ["tgt-3", "tgt-2"]

    async def test_invalid_input_is_reported_above_the_form(self, browser: httpx2.AsyncClient) -> None:
        answer = await browser.get("/audit?action=%3Cb%3E")
        assert (answer.status_code, answer.headers["content-type"]) == (422, "text/html; charset=utf-8")
        assert [tag for _, tag in tags_of(answer.text) if tag.get("name") == "action"]
        assert (await browser.get("/audit?first=today")).status_code == 422
