"""People log in at the form: by user, by an ingest token, by a session of Supabase; and out again."""

import re

import jwt
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import SUPABASE_URL, OpenTab, Tab
from tests.fixtures.accounts.jwts import LEGACY_SECRET, claims
from tests.fixtures.servers.stacks import Stack

USER, PASSWORD = "reader@example.com", "correct horse battery staple"


@pytest.fixture(scope="module", autouse=True)
def user(stack: Stack) -> None:
    """Create a user who may only read."""
    made = stack.api.http.post("/api/v1/users", json={"name": USER, "password": PASSWORD, "role": "viewer"})
    assert made.status_code == 201, made.text


def supabase_token(role: str | None) -> str:
    """Return what a browser keeps after a log-in at Supabase."""
    metadata = {"app_metadata": {"kaboom_role": role} if role else {}, "user_metadata": {"kaboom_role": "admin"}}
    said = claims(f"{SUPABASE_URL}/auth/v1", "authenticated", role="authenticated", email="s@example.com", **metadata)
    return jwt.encode(said, LEGACY_SECRET, algorithm="HS256")


def log_in(tab: Tab, **fields: str) -> None:
    if "token" in fields:
        tab.page.click("main summary")
    for name, value in fields.items():
        tab.page.fill(f"input[name={name}]", value)
    tab.page.press(f"input[name={next(reversed(fields))}]", "Enter")


def is_cookie_guarded(tab: Tab) -> bool:
    # Those of the session and of the device.
    found = [each for each in tab.page.context.cookies() if each["name"].startswith("kaboom-")]
    return bool(found) and all(each["httpOnly"] and each["sameSite"] == "Lax" for each in found)


@pytest.mark.parametrize("kind", ["user", "ingest token", "supabase"])
def test_each_kind_of_caller_comes_to_the_page_that_was_asked_for(open_tab: OpenTab, stack: Stack, kind: str) -> None:
    tab = open_tab(is_logged_in=False)
    tab.open("/jobs?status=failed")
    expect(tab.page.locator("input[name=user]")).to_be_visible()
    expect(tab.page.locator("input[name=token]")).to_be_hidden()
    fields = {
        "user": {"user": USER, "password": PASSWORD},
        "ingest token": {"token": stack.api.http.headers["x-ingest-token"]},
        "supabase": {"token": supabase_token("operator")},
    }[kind]
    log_in(tab, **fields)
    tab.page.wait_for_url("**/jobs?status=failed")
    expect(tab.page.locator("h1")).to_have_text("Jobs")
    assert is_cookie_guarded(tab)
    me = tab.page.evaluate("fetch('/api/v1/me').then((answer) => answer.json())")
    assert me["method"] == "session"
    assert ("jobs:write" in me["scopes"]) == (kind != "user"), "a viewer reads, the others may cancel"


def test_a_role_in_user_metadata_gives_no_rights(open_tab: OpenTab) -> None:
    tab = open_tab(is_logged_in=False)
    tab.open("/login")
    log_in(tab, token=supabase_token(None))
    tab.page.goto(f"{tab.url}/users")
    expect(tab.page.locator("main")).not_to_contain_text(USER)


@pytest.mark.parametrize(
    "fields",
    [{"user": USER, "password": "wrong " + PASSWORD}, {"token": "kbm_forged"}, {"user": "nobody", "password": "x"}],
)
def test_who_is_refused_is_reported_and_keeps_the_page(open_tab: OpenTab, fields: dict[str, str]) -> None:
    tab = open_tab(is_logged_in=False)
    tab.open("/login?next=%2Fdata")
    log_in(tab, **fields)
    expect(tab.page.locator("[role=alert]")).to_be_visible()
    assert tab.page.input_value("input[name=next]") == "/data"
    assert not [each for each in tab.page.context.cookies() if each["name"].startswith("kaboom-")]


def test_the_cookie_is_invalid_after_logout(open_tab: OpenTab) -> None:
    tab = open_tab(is_logged_in=False)
    tab.open("/login")
    log_in(tab, user=USER, password=PASSWORD)
    cookies = tab.page.context.cookies()
    tab.page.click("form[action='/logout'] button")
    tab.page.wait_for_url(re.compile("/login"))
    tab.page.context.add_cookies(
        [{**each, "url": tab.url} for each in cookies if (each.pop("domain"), each.pop("path"))]
    )
    tab.page.goto(f"{tab.url}/jobs")
    expect(tab.page.locator("input[name=user]")).to_be_visible()
    expect(tab.page.locator("input[name=token]")).to_be_hidden()
