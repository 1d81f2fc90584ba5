"""The shell of the dashboard: the way to the log-in, problems as pages, preferences, and headers."""

import asyncio
import re
import subprocess
import sys
from dataclasses import replace

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.environment import PLACES
from kaboom.dashboard.page_request import FailedJobs
from kaboom.dashboard.renderer import CSP
from kaboom.dashboard.viewer import is_own_path
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.port import Terms
from kaboom.web.auth.guard import stated_scopes
from kaboom.web.auth.scopes import Scope
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import TOKEN, jobs_of
from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.jobs import make_job

pytestmark = pytest.mark.anyio


async def test_a_browser_without_a_session_goes_to_the_login_and_back(app: FastAPI) -> None:
    async with browser_of(app, owner="") as browser:
        answer = await browser.get("/nothing?status=failed&q=a b")
        assert answer.status_code == 303
        assert answer.headers["location"] == "/login?next=/nothing%3Fstatus%3Dfailed%26q%3Da%2520b"
        form = await browser.get(answer.headers["location"])
    hidden = [tag["value"] for name, tag in tags_of(form.text) if name == "input" and tag.get("name") == "next"]
    assert hidden == ["/nothing?status=failed&q=a%20b"] * 2  # with a password, or with a token


async def test_who_asks_for_no_html_gets_the_problem(app: FastAPI) -> None:
    async with browser_of(app, owner="", accept="*/*") as caller:
        for path in ("/", "/nothing", "/api/v1/jobs"):
            answer = await caller.get(path)
            assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    async with browser_of(app, owner="") as browser:
        # The API answers the same to a browser.
        assert (await browser.get("/api/v1/jobs")).status_code == 401


async def test_htmx_opens_the_login(app: FastAPI) -> None:
    async with browser_of(app, owner="", **{"hx-request": "true"}) as browser:
        answer = await browser.get("/nothing")
    assert (answer.status_code, answer.headers["hx-redirect"]) == (401, "/login")


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "https://evil.example",
        "",
        "jobs",
        "/a\nb",
        "/" + "a" * 2000,
    ],
)
def test_no_path_leads_to_another_site(path: str) -> None:
    assert not is_own_path(path)
    assert is_own_path("/jobs?q=a&next=//b")


async def test_the_login_and_preferences_lead_to_no_other_site(browser: httpx2.AsyncClient) -> None:
    evil = {"next": "//evil.example", "lang": "ja"}
    assert (await browser.get("/prefer", params=evil)).headers["location"] == "/"
    form = await browser.get("/login", params=evil)
    assert ("input", "/") in [(name, tag.get("value")) for name, tag in tags_of(form.text) if tag.get("name") == "next"]


async def test_a_problem_is_a_page_with_its_request_id(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/nothing", headers={"x-request-id": "seen-in-the-page"})
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")
    assert "seen-in-the-page" in text_of(answer.text)
    assert answer.headers["x-request-id"] == "seen-in-the-page"
    assert answer.headers["content-security-policy"] == CSP


async def test_hostile_text_of_a_problem_is_text(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/<script>alert(1)</script>\u202e" + "a" * 3000)
    assert answer.status_code == 404
    assert [tag for name, tag in tags_of(answer.text) if name == "script" and "src" not in tag] == []


async def test_pages_have_the_headers_of_pages_and_the_api_its_own(browser: httpx2.AsyncClient) -> None:
    page, api = await browser.get("/login"), await browser.get("/api/v1/jobs")
    assert page.headers["content-security-policy"] == CSP
    assert page.headers["cross-origin-opener-policy"] == "same-origin"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert page.headers["cache-control"] == "private, no-store"
    assert api.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


def test_pages_may_load_nothing_but_our_own_files() -> None:
    directives = dict(each.strip().split(" ", 1) for each in CSP.split(";"))
    assert {name: directives.pop(name) for name in ("img-src", "default-src", "frame-ancestors", "base-uri")} == {
        "img-src": "'self' data:", "default-src": "'none'", "frame-ancestors": "'none'", "base-uri": "'none'",
    }  # fmt: skip
    assert set(directives) == {"script-src", "style-src", "font-src", "connect-src", "form-action"}
    assert set(directives.values()) == {"'self'"}


async def test_a_page_has_no_inline_script_and_no_inline_style(browser: httpx2.AsyncClient) -> None:
    for path in ("/login", "/nothing"):
        for name, attributes in tags_of((await browser.get(path)).text):
            assert name != "style"
            assert "style" not in attributes
            assert not [each for each in attributes if each.startswith("on")]
            assert name != "script" or attributes["src"].startswith("/static/")


async def test_the_language_follows_the_browser_and_then_the_switch(app: FastAPI) -> None:
    async with browser_of(app, **{"accept-language": "ja,en;q=0.5"}) as browser:
        assert '<html lang="ja"' in (await browser.get("/login")).text
        switched = await browser.get("/prefer?lang=en&next=/login%3Fnext%3D/jobs")
        assert (switched.status_code, switched.headers["location"]) == (303, "/login?next=/jobs")
        assert '<html lang="en"' in (await browser.get("/login")).text


async def test_a_theme_is_kept_and_nonsense_is_not(browser: httpx2.AsyncClient) -> None:
    await browser.get("/prefer?theme=dark&updown=intl")
    assert 'data-updown="intl" data-theme="dark"' in (await browser.get("/login")).text
    answer = await browser.get('/prefer?theme="><script>&lang=xx')
    assert "set-cookie" not in answer.headers
    browser.cookies.set("kaboom_theme", '"><script>')
    assert "><script>" not in (await browser.get("/login")).text


def test_the_navigation_knows_what_each_page_needs(app: FastAPI) -> None:
    needed = {path: set(scopes or ()) for method, path, scopes in stated_scopes(app.routes) if method == "GET"}
    # A page that everybody may open is offered to everybody.
    found = {place.path: needed[place.path] - {Scope.JOBS_READ, Scope.BARS_READ} for place in PLACES}
    assert found == {place.path: {place.scope} - {""} for place in PLACES}


async def test_a_form_of_another_site_is_refused(app: FastAPI) -> None:
    form = {"content-type": "application/x-www-form-urlencoded"}
    for foreign in (
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "", "origin": "http://evil.example"},
    ):
        async with browser_of(app, accept="*/*", **foreign) as browser:
            refused = await browser.post("/login", content=b"token=x", headers=form)
            assert (refused.status_code, refused.json()["type"].rpartition("/")[2]) == (403, "forbidden")
    async with browser_of(app, accept="*/*", **{"sec-fetch-site": "", "origin": "http://kaboom"}) as browser:
        assert (await browser.post("/login", content=b"token=x", headers=form)).status_code == 403


async def test_the_api_takes_no_form(app: FastAPI) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded", "x-ingest-token": TOKEN}
    async with browser_of(app) as browser:
        for path in ("/api/v1/ingest/run-daily", "/api/v1/ingest/jobs/x/cancel"):
            assert (await browser.post(path, content=b"a=b", headers=headers)).status_code == 415


def test_the_api_starts_without_jinja() -> None:
    code = "import sys, kaboom.main; print([m for m in ('jinja2', 'kaboom.dashboard.environment') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd="api")
    assert done.stdout == "[]\n"


@pytest.mark.parametrize(
    "path",
    [
        "/settings", "/sessions", "/dead-letters", "/jobs", "/webhooks", "/notifications",
        "/backtests/new", "/backtests/sweep",
    ],
)  # fmt: skip
async def test_a_choice_is_marked_on_the_page_that_it_leads_to(browser: httpx2.AsyncClient, path: str) -> None:
    offered = await choices_of(browser, path)
    assert len(offered) > 1
    for link in offered:
        assert [each for each, is_marked in (await choices_of(browser, link)).items() if is_marked] == [link]


async def choices_of(browser: httpx2.AsyncClient, path: str) -> dict[str, bool]:
    """Return the links of the first list of choices of a page, and which of them is marked."""
    html = re.search(r'<nav class="pick.*?</nav>', await read_page(browser, path), flags=re.DOTALL)
    links = [tag for name, tag in tags_of(html[0] if html else "") if name == "a"]
    return {str(httpx2.URL(path).join(tag["href"]).copy_with(fragment=None)): "aria-current" in tag for tag in links}


async def test_every_page_counts_the_jobs_that_failed(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    history, said = jobs_of(app).parts.history, "of the last 24 h failed"

    async def fail(times: int) -> None:
        for _ in range(times):
            job = (await history.admit(make_job(), Terms("test"))).job
            await history.save_final(replace(job, status=JobStatus.PARTIAL))
        # The count is kept for some seconds.
        services_of(app).add(FailedJobs())

    assert said not in await read_page(browser, "/more")
    await fail(2)
    for path in ("/more", "/jobs", "/data"):
        assert text_of(await read_page(browser, path)).count(f"Jobs 2 2 jobs {said}") == 2
    await fail(8)
    assert f"Jobs 9+ 10 or more jobs {said}" in text_of(await read_page(browser, "/more"))
    async with browser_of(app, owner="another") as stranger:
        assert said not in await read_page(stranger, "/more")


async def test_a_ledger_that_does_not_answer_delays_no_page(
    app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hang(_query: object) -> list[object]:
        await asyncio.Event().wait()
        return []

    monkeypatch.setattr(jobs_of(app).parts.history, "list_jobs", hang)
    async with asyncio.timeout(5):
        assert (await browser.get("/more")).status_code == 200
