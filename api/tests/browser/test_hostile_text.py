"""What others wrote is text, wherever a page shows it: tags, other directions, escapes, and 10,000 characters."""

import os
import re
import signal
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.planting import plant
from tests.fixtures.servers.stacks import Stack

HOSTILE = (
    "<script>document.title='owned'</script><img src=x onerror=\"document.title='owned'\">\u202e\u001b[31m"
    + "x" * 10_000
)
PAGES = (
    "/",
    "/jobs",
    "/jobs/ingest/{partial}",
    "/jobs/ingest/{failed}",
    "/dead-letters",
    "/webhooks",
    "/quarantine",
    "/schedules",
)
#: What a page that kept a tag would have.
_FOREIGN = "[...document.querySelectorAll('script:not([src]), img, [onerror]')].length"


@pytest.fixture(scope="module")
def planted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ids of jobs with hostile texts; webhooks, rejected rows and a schedule have them, too."""
    name = "<script>document.title='owned'</script>\u202e" + "x" * 30
    body = {"name": name, "cron": "0 18 * * 5", "request": {"intervals": {"1d": 1}, "symbols": ["7203"]}}
    stack.api.http.post("/api/v1/schedules", json=body).raise_for_status()
    # The worker would take what is planted.
    worker = stack.pid("worker-1")
    os.kill(worker, signal.SIGSTOP)
    try:
        return plant(stack.run(), Path(tmp_path_factory.mktemp("planting")), HOSTILE)
    finally:
        os.kill(worker, signal.SIGCONT)


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_text(open_tab: OpenTab, planted: dict[str, str], path: str, width: int) -> None:
    tab = open_tab(width=width)
    tab.open(path.format(**planted))
    tab.page.wait_for_timeout(300)
    assert "owned" not in tab.page.title()
    assert tab.page.evaluate(_FOREIGN) == 0
    assert tab.page.evaluate("document.documentElement.scrollWidth") <= width
    assert tab.faults == []


def test_hostile_lines_and_rows_that_come_live_are_text(open_tab: OpenTab, planted: dict[str, str]) -> None:
    tab = open_tab()
    tab.open(f"/jobs/ingest/{planted['partial']}")
    expect(tab.page.locator("#lines")).to_contain_text("<script>", timeout=10_000)
    tab.open("/jobs")
    expect(tab.page.locator("#live .live-word")).to_have_text("Live", timeout=30_000)
    expect(tab.page.locator(f"#job-{planted['partial']} .why")).to_contain_text(re.compile("provider error 3|<script>"))
    assert "owned" not in tab.page.title()
    assert tab.faults == []
