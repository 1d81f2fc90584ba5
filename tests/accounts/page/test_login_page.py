"""Logging in and out by the pages, and the CSRF token of their forms."""

import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard import routes
from tests.fixtures.accounts.callers import AUDIT, ME, PASSWORD, add_user, stranger_of
from tests.fixtures.jobs.apps import TOKEN, client_of
from tests.fixtures.jobs.browsers import tags_of
from tests.fixtures.jobs.planted import plant_queued

pytestmark = pytest.mark.anyio
TEMPLATES = Path(routes.__file__).parent / "templates"
HTTPS = {"base_url": "https://kaboom", "headers": {"origin": "https://kaboom", "sec-fetch-site": "same-origin"}}


def browser_of_page(app: FastAPI) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), **HTTPS)  # type: ignore[arg-type]


@pytest.mark.parametrize("by", ["token", "user"])
async def test_a_browser_logs_in_acts_and_logs_out(app: FastAPI, by: str) -> None:
    user = await add_user(app)
    fields: dict[str, Any] = {"token": TOKEN} if by == "token" else {"user": user.name, "password": PASSWORD}
    async with browser_of_page(app) as browser:
        logged_in = await browser.post("/login", data=fields | {"next": "/jobs"})
        assert (logged_in.status_code, logged_in.headers["location"]) == (303, "/jobs")
        assert (await browser.get(ME)).json()["method"] == "session"
        job = await plant_queued(app)
        page = (await browser.get("/jobs")).text
        assert 'action="/logout"' in page
        token = re.findall(r'name="csrf" value="([^"]+)"', page)[0]
        form = {"action": "cancel", "job": f"ingest/{job.job_id}", "next": "/jobs"}
        assert (await browser.post("/jobs/act", data=form)).status_code == 403
        assert (await browser.post("/jobs/act", data=form | {"csrf": token})).status_code == 303
        out = await browser.post("/logout", data={"csrf": token})
        assert (out.status_code, out.headers["location"]) == (303, "/login")
        assert (await browser.get(ME)).status_code == 401
    async with client_of(app) as http:
        lines = (await http.get(AUDIT)).json()["items"][::-1]
    assert [(line["action"], line["method"]) for line in lines] == [
        ("log_in", "ingest_token" if by == "token" else "jwt"), ("cancel_job", "session"), ("log_out", "session"),
    ]  # fmt: skip
    assert lines[1]["target"] == job.job_id
    assert lines[1]["address"] == "127.0.0.1"


@pytest.mark.parametrize("to", ["//evil.example", "https://evil.example", "/\\evil.example"])
async def test_a_log_in_leads_to_no_other_site(app: FastAPI, to: str) -> None:
    async with browser_of_page(app) as browser:
        logged_in = await browser.post("/login", data={"token": TOKEN, "next": to})
    assert (logged_in.status_code, logged_in.headers["location"]) == (303, "/")


async def test_a_user_logs_out_everywhere(app: FastAPI) -> None:
    user = await add_user(app)
    fields = {"user": user.name, "password": PASSWORD}
    async with browser_of_page(app) as one, browser_of_page(app) as other:
        for browser in (one, other):
            await browser.post("/login", data=fields)
        token = re.findall(r'name="csrf" value="([^"]+)"', (await one.get("/more")).text)[0]
        out = await one.post("/logout", data={"csrf": token, "everywhere": "yes"})
        assert out.headers["location"] == "/login"
        assert [(await each.get(ME)).status_code for each in (one, other)] == [401, 401]


@pytest.mark.parametrize(
    "fields", [{"token": "wrong"}, {"user": "nobody", "password": "x"}, {}, {"user": "x"}], ids=str
)
async def test_a_wrong_credential_shows_the_form_again(app: FastAPI, fields: dict[str, str]) -> None:
    async with browser_of_page(app) as browser:
        answer = await browser.post("/login", data=fields)
        assert answer.status_code == 403
        assert 'role="alert"' in answer.text
        assert "set-cookie" not in answer.headers


async def test_a_page_of_another_site_cannot_log_in_or_out(app: FastAPI) -> None:
    async with stranger_of(app, origin="https://evil.example.com") as http:
        assert (await http.post("/login", data={"token": TOKEN})).status_code == 403


def test_every_form_that_changes_something_has_the_token() -> None:
    lacking = [
        path.name
        for path in TEMPLATES.rglob("*.html")
        for form in re.findall(r'<form\b[^>]*method="post"[^>]*>.{0,40}', path.read_text(encoding="utf-8"), re.DOTALL)
        if "token()" not in form and 'action="/login"' not in form
    ]
    assert lacking == []


def inputs_of(html: str) -> dict[str, dict[str, str]]:
    return {tag["name"]: tag for name, tag in tags_of(html) if name == "input" and tag["name"] != "next"}


async def test_user_and_password_come_first_and_managers_leave_the_token_alone(app: FastAPI) -> None:
    async with browser_of_page(app) as browser:
        html = (await browser.get("/login")).text
    found = inputs_of(html)
    assert list(found) == ["user", "password", "token"]
    assert [found[name]["autocomplete"] for name in found] == ["username", "current-password", "off"]
    assert found["token"]["type"] == "text"
    assert {"data-1p-ignore", "data-bwignore", "data-lpignore"} <= found["token"].keys()
    # The token has a form of its own, in a closed details element.
    (behind,) = re.findall(r"<details>(.*?)</details>", html, re.DOTALL)
    assert list(inputs_of(behind)) == ["token"]
    assert html.count('<form method="post" action="/login"') == 2


@pytest.mark.parametrize(("fields", "opened"), [({"token": "kbm_forged"}, 1), ({"user": "a", "password": "b"}, 0)])
async def test_a_refusal_shows_the_form_that_was_sent(app: FastAPI, fields: dict[str, str], opened: int) -> None:
    async with browser_of_page(app) as browser:
        answer = await browser.post("/login", data=fields)
    assert answer.status_code == 403
    assert answer.text.count("<details open>") == opened
    described = [name for name, tag in inputs_of(answer.text).items() if "refusal" in tag.get("aria-describedby", "")]
    assert described == (["token"] if opened else ["user", "password"])
    assert [name for name, tag in inputs_of(answer.text).items() if "aria-invalid" in tag] == described
    assert inputs_of(answer.text)["user"].get("value", "") == fields.get("user", "")
