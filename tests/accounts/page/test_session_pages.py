"""The page of sessions, and the password that admin changes ask for, as a browser with a real session sees them."""

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.web.auth.cookies import session_id_of
from kaboom.web.auth.scopes import Role
from tests.fixtures.accounts.callers import AUDIT, ME, PASSWORD, accounts_of_app, add_token, add_user
from tests.fixtures.accounts.callers import browser_of as session_of
from tests.fixtures.jobs.apps import client_of
from tests.fixtures.jobs.browsers import read_page, tags_of, text_of

pytestmark = pytest.mark.anyio


async def open_browser(app: FastAPI, role: Role = Role.ADMIN, *, language: str = "en") -> httpx2.AsyncClient:
    """Return a browser of a new user, which sends what browsers send with a form."""
    user = await add_user(app, role)
    browser = await session_of(app, user=user.name, password=PASSWORD)
    browser.headers |= {"accept": "text/html", "accept-language": language, "sec-fetch-site": "same-origin"}
    return browser


async def send(browser: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """Send a form of a page."""
    return await browser.post(path, data={"csrf": browser.headers["x-csrf-token"], **fields})


async def forget_password(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    """Let the password have been entered eleven minutes ago."""
    store = accounts_of_app(app).directory.store
    session_id = session_id_of(next(iter(browser.cookies.values())))
    session = await store.load_session(session_id)
    assert session
    await store.end_session(session_id)
    await store.add_session(replace(session, confirmed_at=datetime.now(UTC) - timedelta(minutes=11)))
    accounts_of_app(app).directory.forget(session_id)


async def test_a_viewer_ends_its_own_session_and_no_other(app: FastAPI) -> None:
    viewer, admin = await open_browser(app, Role.VIEWER), await open_browser(app)
    html = await read_page(viewer, "/sessions")
    (path,) = [tag["action"] for _, tag in tags_of(html) if tag.get("action", "").endswith("/end")]
    assert ("this one" in text_of(html), "Everybody's" in text_of(html)) == (True, False)
    theirs = re.findall(r"/sessions/[0-9a-f]{16}/end", await read_page(admin, "/sessions"))[0]
    assert (await send(viewer, theirs)).status_code == 404
    assert (await send(viewer, f"{path}-any")).status_code == 403
    assert (await viewer.get("/sessions?whose=all")).status_code == 403
    assert (await send(viewer, path)).headers["location"] == "/sessions?done=ended"
    assert [(await each.get(ME)).status_code for each in (viewer, admin)] == [401, 200]


async def test_an_admin_ends_the_session_of_another(app: FastAPI) -> None:
    viewer, admin = await open_browser(app, Role.VIEWER), await open_browser(app, language="ja")
    html = await read_page(admin, "/sessions?whose=all")
    assert ("全員" in text_of(html), "パスワード" in text_of(html)) == (True, True)
    found = {tag["action"] for _, tag in tags_of(html) if tag.get("action", "").endswith("/end-any")}
    own = re.findall(r"[0-9a-f]{16}", await read_page(admin, "/sessions"))
    (path,) = [path for path in found if path.split("/")[2] not in own]
    assert (await send(admin, path)).headers["location"] == "/sessions?whose=all&done=ended"
    assert (await viewer.get(ME)).status_code == 401


@pytest.mark.parametrize("page", ["/users", "/tokens", "/notifications", "/sessions?whose=all"])
async def test_an_old_session_is_asked_for_its_password_on_the_pages_of_admins(app: FastAPI, page: str) -> None:
    browser = await open_browser(app)
    assert 'action="/confirm"' not in await read_page(browser, page)
    await forget_password(app, browser)
    html = await read_page(browser, page)
    assert "Your password again" in text_of(html)
    (to,) = [tag["value"] for _, tag in tags_of(html) if tag.get("name") == "next"]
    assert to == page
    refused = await send(browser, "/confirm", password="wrong", next=page)
    assert (refused.status_code, "That was not it" in text_of(refused.text)) == (403, True)
    assert 'action="/confirm"' in refused.text
    assert (await send(browser, "/confirm", password=PASSWORD, next=page)).headers["location"] == page
    assert 'action="/confirm"' not in await read_page(browser, page)


async def test_a_change_that_comes_too_late_asks_for_the_password_and_leads_back(app: FastAPI) -> None:
    browser = await open_browser(app)
    await forget_password(app, browser)
    form = {"name": "late", "password": PASSWORD, "role": "viewer"}
    browser.headers["referer"] = "https://kaboom/users?done=added"
    late = await send(browser, "/users", **form)
    assert (late.status_code, "Your password again" in text_of(late.text)) == (403, True)
    (to,) = [tag["value"] for _, tag in tags_of(late.text) if tag.get("name") == "next"]
    assert to == "/users?done=added"
    await send(browser, "/confirm", password=PASSWORD, next=to)
    assert (await send(browser, "/users", **form)).headers["location"] == "/users?done=added"


async def test_confirming_leads_to_no_other_site_and_is_audited(app: FastAPI) -> None:
    browser = await open_browser(app)
    assert (await send(browser, "/confirm", password=PASSWORD, next="//evil.example.com")).headers["location"] == "/"
    await send(browser, "/confirm", password="wrong")
    async with client_of(app) as http:
        lines = (await http.get(AUDIT, params={"action": "confirm_session"})).json()["items"]
    assert [line["status"] for line in lines] == [403, 303]


async def test_tokens_show_what_ended_with_its_maker_and_what_ends_soon(app: FastAPI) -> None:
    browser = await open_browser(app)
    await add_token(app, name="orphan", created_by="usr_" + "0" * 32)
    await add_token(app, name="short", expires_at=datetime.now(UTC) + timedelta(days=3))
    shown = text_of((await read_page(browser, "/tokens")).replace("<wbr>", ""))
    assert ("maker ended orphan" in shown, "ends soon short" in shown) == (True, True)


async def test_the_last_admin_sees_why_it_stays(app: FastAPI) -> None:
    browser = await open_browser(app)
    user_id = (await browser.get(ME)).json()["subject"]
    refused = await send(browser, f"/users/{user_id}", change="disable")
    assert (refused.status_code, "is the last admin" in text_of(refused.text)) == (409, True)
    assert (await browser.get(ME)).status_code == 200
