"""What a viewer does: watches a job run, filters, retries and cancels with a preview, and loses the connection."""

import os
import re
import signal

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab, Tab
from tests.fixtures.servers.stacks import Stack

#: More seconds of work than are watched before it is cancelled, on a fast machine that has most of the bars, too.
LONG = {"intervals": {"1m": 40}, "market": "TSE_PRIME", "chunk_size": 500}


def progress_of(tab: Tab, job_id: str) -> str:
    return tab.page.inner_text(f"#job-{job_id} .prog .line2")


def test_progress_moves_without_reload_and_cancel_has_a_preview(open_tab: OpenTab, stack: Stack) -> None:
    job_id = stack.api.submit(**LONG)
    tab = open_tab()
    tab.open("/jobs")
    tab.page.evaluate("window.isSame = true")
    row = tab.page.locator(f"#job-{job_id}")
    expect(row.locator(".st .w")).to_have_text("running", timeout=30_000)
    expect(row.locator(".prog .line2")).to_have_text(re.compile(r"^[1-9][\d,]* / "), timeout=60_000)
    first = progress_of(tab, job_id)
    expect(row.locator(".prog .line2")).not_to_have_text(first, timeout=60_000)
    # What is selected stays selected while rows change.
    row.locator("input").check()
    tab.page.click("button[value=cancel]")
    expect(tab.page.locator("#preview[open] h2")).to_have_text("Cancel 1 job?")
    tab.page.click("#preview .btn-bad")
    expect(tab.page.locator("body")).to_contain_text("1 job is being cancelled.")
    expect(tab.page.locator(f"#job-{job_id} .st .w")).to_have_text("cancelled", timeout=60_000)
    assert stack.api.wait(job_id)["status"] == "cancelled"
    assert tab.faults == []


def test_the_page_of_a_live_job_moves_and_its_log_is_followed(open_tab: OpenTab, stack: Stack) -> None:
    job_id = stack.api.submit(**LONG)
    tab = open_tab()
    tab.open(f"/jobs/ingest/{job_id}")
    expect(tab.page.locator(".hero")).to_have_text(re.compile(r"^(?!0\.0)\d+\.\d%$"), timeout=60_000)
    tab.page.locator("#chunk-table summary").click()
    expect(tab.page.locator("#lines")).to_contain_text("job_planned", timeout=30_000)
    expect(tab.page.locator("#lines")).to_contain_text("chunk_started", timeout=30_000)
    # What a reader opened stays open while the page changes.
    before = tab.page.inner_text(".hero")
    expect(tab.page.locator(".hero")).not_to_have_text(before, timeout=60_000)
    assert tab.page.get_attribute("#chunk-table", "open") is not None
    stack.api.http.post(f"/api/v1/ingest/jobs/{job_id}/cancel")
    expect(tab.page.locator("#state .w")).to_have_text("cancelled", timeout=60_000)
    expect(tab.page.locator("button[value=again]")).to_be_enabled()
    expect(tab.page.locator("#log-state")).to_contain_text("ended with the job", timeout=30_000)
    tab.shoot("job-cancelled")
    assert tab.faults == []


def test_filters_survive_a_reload_and_views_are_kept(open_tab: OpenTab, stack: Stack) -> None:
    tab = open_tab()
    tab.open("/jobs")
    tab.page.fill(".search input[name=q]", "run_daily")
    tab.page.press(".search input[name=q]", "Enter")
    tab.page.wait_for_url("**/jobs?q=run_daily")
    tab.page.select_option("select[name=period]", "today")
    tab.page.wait_for_url("**period=today**")
    tab.page.reload()
    assert tab.page.input_value(".search input[name=q]") == "run_daily"
    assert tab.page.input_value("select[name=period]") == "today"
    tab.page.click("details.save summary")
    tab.page.fill("input[name=name]", "My view")
    tab.page.click("details.save form:first-of-type button")
    expect(tab.page.locator("nav.pick a", has_text="My view")).to_be_visible()
    assert tab.faults == []


def test_keys_move_select_and_open(open_tab: OpenTab, stack: Stack) -> None:
    job_id = stack.api.submit(intervals={"1m": 1}, symbols=["7203"])
    stack.api.wait(job_id)
    tab = open_tab()
    tab.open("/jobs")
    press = tab.page.keyboard.press
    press("f")
    assert tab.page.evaluate("document.activeElement.name") == "q"
    tab.page.evaluate("document.activeElement.blur()")
    press("j")
    press("x")
    expect(tab.page.locator("#selected")).to_contain_text("1 selected")
    press("?")
    expect(tab.page.locator("#keys")).to_be_visible()
    press("t")
    assert tab.page.get_attribute("html", "data-theme") != "dark", "a key went behind the open dialog"
    press("Escape")
    tab.page.evaluate("document.activeElement.blur()")
    press("t")
    assert tab.page.get_attribute("html", "data-theme") == "dark"
    press("Enter")
    tab.page.wait_for_url(f"**/jobs/ingest/{job_id}")
    assert tab.page.get_attribute("html", "data-theme") == "dark"
    press("g")
    press("o")
    tab.page.wait_for_url("**/")
    assert tab.faults == []


def test_the_language_switch_stays_on_the_page(open_tab: OpenTab, stack: Stack) -> None:
    tab = open_tab()
    tab.open("/jobs?status=failed")
    tab.page.click("text=日本語")
    assert tab.page.url.endswith("/jobs?status=failed")
    expect(tab.page.locator("h1")).to_have_text("ジョブ")
    tab.page.click("text=English")
    expect(tab.page.locator("h1")).to_have_text("Jobs")


def test_pages_can_be_read_without_javascript(open_tab: OpenTab, stack: Stack) -> None:
    job_id = stack.api.submit(intervals={"1m": 1}, symbols=["7203"])
    stack.api.wait(job_id)
    tab = open_tab(java_script_enabled=False)
    for path, wanted in (
        ("/jobs", "Daily ingest"),
        (f"/jobs/ingest/{job_id}", "every one is accounted for"),
        ("/", "Latest jobs"),
    ):
        tab.page.goto(tab.url + path)
        expect(tab.page.locator("main")).to_contain_text(wanted)
    tab.page.goto(f"{tab.url}/jobs/ingest/{job_id}")
    tab.page.click("button[value=again]")
    expect(tab.page.locator("#preview-h")).to_have_text("Run 1 job again?")


def stop_api(stack: Stack) -> None:
    os.kill(stack.pid("api"), signal.SIGKILL)


def test_the_stream_comes_back_after_the_api_was_killed(open_tab: OpenTab, stack: Stack) -> None:
    job_id = stack.api.submit(**LONG)
    tab = open_tab()
    tab.open("/jobs")
    expect(tab.page.locator("#live .live-word")).to_have_text("Live", timeout=30_000)
    row = tab.page.locator(f"#job-{job_id}")
    expect(row.locator(".st .w")).to_have_text("running", timeout=30_000)
    stop_api(stack)
    expect(tab.page.locator("#live-lost")).to_be_visible(timeout=20_000)
    expect(tab.page.locator("#live .live-word")).to_have_text("Live", timeout=60_000)
    expect(tab.page.locator("#live-lost")).to_be_hidden()
    stack.api.http.post(f"/api/v1/ingest/jobs/{job_id}/cancel")
    # On a slow machine it may have come to its end before.
    expect(row.locator(".st .w")).to_have_text(re.compile("cancelled|completed"), timeout=60_000)


@pytest.mark.parametrize("attempt", range(15))
def test_the_stream_opens(open_tab: OpenTab, stack: Stack, attempt: int) -> None:
    tab = open_tab()
    tab.open("/jobs")
    expect(tab.page.locator("#live .live-word")).to_have_text("Live", timeout=5_000)
    assert tab.faults == []
