"""An administrator who logged in with a password changes what the pages offer, form by form, and the log says so."""

import httpx2
import psycopg
import pytest
from playwright.sync_api import Locator, expect

from tests.browser.conftest import OpenTab, Tab
from tests.fixtures.servers.stacks import Stack

NAME, PASSWORD, OTHER = "admin@example.com", "correct horse battery staple", "second@example.com"


@pytest.fixture
def tab(open_tab: OpenTab, stack: Stack) -> Tab:
    """Give the tab of an administrator with a session."""
    answer = stack.api.http.post("/api/v1/users", json={"name": NAME, "password": PASSWORD, "role": "admin"})
    assert answer.status_code in {201, 409}, answer.text
    tab = open_tab(is_logged_in=False)
    tab.open("/login")
    tab.page.fill("input[name=user]", NAME)
    tab.page.fill("input[name=password]", PASSWORD)
    tab.page.click("main button[type=submit]")
    tab.page.wait_for_url(f"{tab.url}/")
    return tab


def row_of(tab: Tab, text: str) -> Locator:
    return tab.page.locator("tbody tr", has_text=text)


def test_a_user_is_added_changed_and_disabled(tab: Tab) -> None:
    tab.open("/users")
    form = tab.page.locator("form[action='/users']")
    form.locator("[name=name]").fill(OTHER)
    form.locator("[name=password]").fill(PASSWORD)
    form.locator("button").click()
    expect(row_of(tab, OTHER)).to_contain_text("viewer", ignore_case=True)
    for change, wanted in (("role_operator", "operator"), ("disable", "disabled"), ("enable", "enabled")):
        row_of(tab, OTHER).locator("summary").first.click()
        row_of(tab, OTHER).locator(f"button[value={change}]").click()
        expect(row_of(tab, OTHER)).to_contain_text(wanted, ignore_case=True)
    assert tab.faults == []


def test_a_token_is_shown_once_works_and_is_revoked(tab: Tab, stack: Stack) -> None:
    tab.open("/tokens")
    form = tab.page.locator("form[action='/tokens']")
    form.locator("[name=name]").fill("n8n of the desk")
    form.locator("input[value='jobs:read']").check()
    form.locator("button").click()
    secret = tab.page.inner_text("#secret")
    assert secret.startswith("kbm_")
    assert stack.api.http.get("/api/v1/me", headers={"x-ingest-token": secret}).json()["name"] == "n8n of the desk"
    tab.open("/tokens")
    assert secret not in tab.page.content()
    row_of(tab, "n8n of the desk").locator("summary").first.click()
    row_of(tab, "n8n of the desk").locator("button.btn-bad").click()
    expect(row_of(tab, "n8n of the desk")).to_contain_text("revoked", ignore_case=True)
    assert tab.faults == []


def test_a_schedule_is_added_run_disabled_and_removed(tab: Tab) -> None:
    tab.open("/schedules/new")
    tab.page.fill("[name=name]", "<b>early</b> minutes")
    tab.page.select_option("[name=task]", "ingest.run_daily")
    tab.page.locator("summary", has_text="The request as JSON").click()
    tab.page.fill("[name=request]", '{"intervals": {"1m": 1}, "symbols": ["7203"]}')
    tab.page.check("[name=is_enabled]")
    tab.page.locator("form[action='/schedules/new'] .btn-main").click()
    expect(tab.page.locator("h1")).to_have_text("<b>early</b> minutes")
    here = tab.page.url.partition("?")[0]
    tab.page.locator("form[action$='/run'] button").click()
    tab.page.goto(here)
    expect(tab.page.locator("tbody a.mono").first).to_be_visible()
    tab.page.locator("form[action$='/switch'] button").click()
    expect(tab.page.locator(".page-head .st")).to_contain_text("off", ignore_case=True)
    tab.page.locator("details summary", has_text="Remove").click()
    tab.page.locator("form[action$='/remove'] button").click()
    tab.page.wait_for_url("**/schedules**")
    expect(tab.page.locator("main")).not_to_contain_text("early")
    assert tab.faults == []


def test_the_audit_log_says_who_changed_what(tab: Tab, stack: Stack) -> None:
    tab.open("/audit")
    expect(tab.page.locator("tbody")).to_contain_text(NAME)
    assert PASSWORD not in tab.page.content()
    assert tab.faults == []


def test_sessions_are_shown_and_ended(tab: Tab, open_tab: OpenTab) -> None:
    other = open_tab(is_logged_in=False)
    other.open("/login")
    other.page.fill("input[name=user]", NAME)
    other.page.fill("input[name=password]", PASSWORD)
    other.page.click("main button[type=submit]")
    other.page.wait_for_url(f"{other.url}/")
    other.open("/sessions")
    own = other.page.locator("tbody tr", has_text="this one").locator(".mono").inner_text().split()[-1]
    tab.open("/sessions?whose=all")
    row_of(tab, own).locator("summary").click()
    row_of(tab, own).locator("button.btn-bad").click()
    tab.page.wait_for_url("**/sessions?whose=all&done=ended")
    expect(tab.page.locator("main")).not_to_contain_text(own)
    other.open("/jobs")
    assert other.page.url.startswith(f"{other.url}/login")
    assert tab.faults == []


@pytest.mark.parametrize(("language", "width"), [("en", 1440), ("ja", 390)])
def test_an_old_session_is_asked_for_the_password(open_tab: OpenTab, stack: Stack, language: str, width: int) -> None:
    name = f"old-{language}"
    stack.api.http.post("/api/v1/users", json={"name": name, "password": PASSWORD, "role": "admin"})
    answer = httpx2.post(f"{stack.api.url}/api/v1/login/session", json={"user": name, "password": PASSWORD})
    with psycopg.connect(stack.run()["database_url"], autocommit=True) as connection:
        # Before the API has looked the session up, so that it knows no newer time.
        connection.execute(
            "UPDATE browser_sessions SET confirmed_at = now() - interval '11 min' WHERE name = %s", [name]
        )
    tab = open_tab(is_logged_in=False, language=language, width=width)
    tab.page.context.add_cookies([{"name": n, "value": v, "url": tab.url} for n, v in answer.cookies.items()])
    confirm = tab.page.locator("form[action='/confirm']")
    for path, shot in (("/tokens", "tokens"), ("/sessions?whose=all", "sessions")):
        tab.open(path)
        expect(confirm).to_be_visible()
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
        assert tab.axe() == []
        tab.shoot(f"confirm-{shot}-{language}-{width}")
    confirm.locator("input[type=password]").fill("wrong")
    confirm.locator("button").click()
    expect(tab.page.locator("[role=alert]")).to_be_visible()
    tab.shoot(f"confirm-refused-{language}-{width}")
    confirm.locator("input[type=password]").fill(PASSWORD)
    confirm.locator("button").click()
    tab.page.wait_for_url(f"{tab.url}/sessions?whose=all")
    expect(confirm).to_have_count(0)
    tab.shoot(f"confirmed-{language}-{width}")
    # The refused password was answered 403, which the browser notes.
    assert [fault for fault in tab.faults if "403" not in fault] == []
