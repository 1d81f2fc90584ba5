"""A viewer finds what failed in a job, and has it tried again after a look at the preview."""

from typing import Any

from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.fixtures.servers.stacks import Stack

DAY = "2025-11-04"


def run(stack: Stack, symbol: str) -> dict[str, Any]:
    """Return a job that has taken the file of a symbol, when it is final."""
    body = {"provider": "file", "market": "FILE", "intervals": {"1m": 1}, "session": DAY, "symbols": [symbol]}
    return stack.api.wait(stack.api.submit(**body))


def test_a_failure_is_retried_with_a_preview(open_tab: OpenTab, stack: Stack) -> None:
    failed = run(stack, "6758")
    assert failed["status"] == "failed", failed
    tab = open_tab()
    tab.open(f"/jobs/ingest/{failed['job_id']}")
    expect(tab.page.locator("#failures tbody")).to_contain_text("6758")
    expect(tab.page.locator("#failures tbody")).to_contain_text("xyz")
    tab.page.click("button[value=retry]")
    expect(tab.page.locator("#preview[open] h2")).to_contain_text("1")
    tab.page.click("#preview .btn-main")
    expect(tab.page.locator("main [role=status]").first).to_be_visible()
    (retry,) = [job for job in stack.api.get("/jobs")["items"] if job["parent_id"] == failed["job_id"]]
    assert stack.api.wait(retry["job_id"])["progress"]["total"] == 1
    assert tab.faults == []


def test_candles_lead_to_the_job_that_wrote_them(open_tab: OpenTab, stack: Stack) -> None:
    wrote = run(stack, "7203")
    assert wrote["status"] == "completed", wrote
    tab = open_tab()
    tab.open(f"/symbols/7203?interval=1m&session={DAY}&provider=file")
    tab.page.wait_for_selector("#candles:not([hidden])")
    tab.page.click("a[href^='/jobs?q=']")
    tab.page.wait_for_url("**/jobs?q=**")
    expect(tab.page.locator(f"#job-{wrote['job_id']}")).to_be_visible()
    tab.page.click(f"#job-{wrote['job_id']} a")
    tab.page.wait_for_url(f"**/jobs/ingest/{wrote['job_id']}**")
    assert tab.faults == []
