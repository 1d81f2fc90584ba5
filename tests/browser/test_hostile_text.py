"""What others wrote is text, wherever a page shows it: tags, other directions, escapes, and 10,000 characters."""

import csv
import os
import re
import signal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.browser.planting import plant, wait_for
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
    "/jobs/ingest/{file}",
    "/analyses",
    "/analyses/new",
    "/analyses/{analysis}",
    "/analyses/{preview}",
    "/backtests",
    "/backtests/new?strategy=<script>document.title='owned'</script>",
    "/notifications",
    "/notifications/rules/new",
    "/notifications/rules/{rule}/edit",
    "/portfolios",
    "/portfolios/{portfolio}",
)
#: A name that every feature takes.
NAME = "<script>document.title='owned'</script>\u202e" + "x" * 30
#: What a page that kept a tag would have.
_FOREIGN = "[...document.querySelectorAll('script:not([src]), img, [onerror]')].length"


@pytest.fixture(scope="module")
def planted(stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ids of jobs with hostile texts; webhooks, rejected rows and a schedule have them, too."""
    body = {"name": NAME, "cron": "0 18 * * 5", "request": {"intervals": {"1d": 1}, "symbols": ["7203"]}}
    stack.api.http.post("/api/v1/schedules", json=body).raise_for_status()
    # The worker would take what is planted.
    worker = stack.pid("worker-1")
    os.kill(worker, signal.SIGSTOP)
    try:
        jobs = plant(stack.run(), Path(tmp_path_factory.mktemp("planting")), HOSTILE)
    finally:
        os.kill(worker, signal.SIGCONT)
    names = {"rule": plant_notifications(stack.api.http), "portfolio": plant_portfolio(stack.api.http)}
    return jobs | names | plant_file_job(stack)


def plant_portfolio(http: httpx2.Client) -> str:
    """Return the id of a portfolio whose name and notes are hostile."""
    path = http.post("/api/v1/portfolios", json={"name": NAME}).raise_for_status().headers["location"]
    booked = {"kind": "deposit", "amount": "1000", "note": NAME.replace("\u202e", "") * 2}
    http.post(f"{path}/cash", json=booked).raise_for_status()
    return str(path.rpartition("/")[2])


def plant_notifications(http: httpx2.Client) -> str:
    """Return the id of a rule; leave it, its channel and a message of an alert with hostile names and texts."""
    prefix = "/api/v1/notifications"
    channel = {"name": NAME, "kind": "webhook", "url": "https://hooks.example/"}
    channel_id = http.post(f"{prefix}/channels", json=channel).raise_for_status().json()["id"]
    rule = {"name": NAME, "channel_id": channel_id, "events": ["alert"], "only": {"alertname": [NAME]}}
    made = http.post(f"{prefix}/rules", json=rule | {"language": "en"}).raise_for_status()
    alert = {"status": "firing", "labels": {"alertname": NAME}, "annotations": {"summary": HOSTILE[:4000]}}
    alert |= {"startsAt": "2025-11-04T00:00:00Z", "fingerprint": "ab"}
    http.post(f"{prefix}/alertmanager", json={"version": "4", "alerts": [alert]}).raise_for_status()
    return str(made.json()["id"])


def plant_file_job(stack: Stack) -> dict[str, str]:
    """Return the ids of a job on a file with a hostile cell, and of what an analysis says and would send of it."""
    with (stack.data_dir.parent / "files/9984.csv").open("w", newline="") as file:
        head = ("datetime", "open", "high", "low", "close", "volume")
        csv.writer(file).writerows([head, ("2025-11-04 09:00", HOSTILE, 2901, 2899, 2900, 100)])
    read = stack.api.submit(intervals={"1m": 400}, market="FILE", provider="file")
    assert stack.api.wait(read)["status"] == "partial"
    ids = {"file": read}
    choices: dict[str, dict[str, Any]] = {"analysis": {"analyst": "rules"}, "preview": {"dry_run": True}}
    for name, choice in choices.items():
        body = {"kind": "ingest", "job_id": read} | choice
        answer = stack.api.http.post("/api/v1/ai-analysis/analyse", json=body).raise_for_status()
        ids[name] = answer.json()["job_id"]
        wait_for(stack, f"/api/v1/ai-analysis/jobs/{ids[name]}")
    return ids


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_is_text(open_tab: OpenTab, planted: dict[str, str], path: str, width: int) -> None:
    tab = open_tab(width=width)
    tab.open(path.format(**planted))
    tab.page.wait_for_timeout(300)
    assert tab.page.title() != "owned"
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
    assert tab.page.title() != "owned"
    assert tab.faults == []
