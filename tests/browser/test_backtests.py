"""A reader runs a backtest by the form, watches it, and reads the report; then sweeps, and reads the surface."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab, Tab
from tests.fixtures.servers.stacks import Stack

#: Some seconds of work: progress is seen before the end.
MANY = {"p_fast": "2:60:1", "p_slow": "61:140:1", "sessions": "300"}


@pytest.fixture(scope="module", autouse=True)
def held(stack: Stack) -> None:
    """Take daily bars of two symbols."""
    job_id = stack.api.submit(intervals={"1d": 320}, symbols=["7203", "6758"])
    assert stack.api.wait(job_id)["status"] == "completed"


def fill(tab: Tab, path: str, **fields: str) -> None:
    tab.open(path)
    for name, value in fields.items():
        tab.page.fill(f"[name={name}]", value)


def test_a_backtest_is_run_by_the_form_and_compared(open_tab: OpenTab) -> None:
    tab = open_tab()
    fill(tab, "/backtests/new", symbols="7203", sessions="300", p_fast="30", p_slow="20")
    tab.page.click("main .btn-main:has-text('Run the backtest')")
    # Fast and slow do not go together: said above their fields, and what was typed is still there.
    expect(tab.page.locator("fieldset#f-parameters .t-bad")).to_contain_text("expected less than slow")
    assert tab.page.input_value("[name=symbols]") == "7203"
    # The answer that refuses is a fault in the console.
    tab.faults.clear()
    tab.page.fill("[name=p_fast]", "5")
    tab.page.click("main .btn-main:has-text('Run the backtest')")
    tab.page.wait_for_url(re.compile("/backtests/[0-9a-f]{32}"))
    expect(tab.page.locator("#state .w")).to_have_text("completed", timeout=120_000)
    expect(tab.page.locator("h1")).to_contain_text("SMA cross 5/20 on 7203")
    expect(tab.page.locator("#h-equity")).to_be_visible()
    expect(tab.page.locator(".months tbody tr").first).to_be_visible()
    with tab.page.expect_download() as download:
        tab.page.click("main a:has-text('All, CSV')")
    assert download.value.suggested_filename.endswith("trades.csv")
    tab.page.click("text=Run again…")
    tab.page.fill("[name=p_fast]", "8")
    tab.page.click("main .btn-main:has-text('Run the backtest')")
    expect(tab.page.locator("#state .w")).to_have_text("completed", timeout=120_000)
    tab.open("/backtests")
    boxes = tab.page.locator("tbody input[name=job]")
    boxes.nth(0).check()
    boxes.nth(1).check()
    tab.page.click("text=Compare the chosen")
    expect(tab.page.locator("main")).to_contain_text("All runs saw the same bars")
    expect(tab.page.locator("main")).to_contain_text("Fast average")
    assert tab.faults == []


def test_a_sweep_shows_its_progress_and_its_surface(open_tab: OpenTab) -> None:
    tab = open_tab()
    fill(tab, "/backtests/sweep", symbols="7203", **MANY)
    tab.page.click("main .btn-main:has-text('Run the sweep')")
    tab.page.wait_for_url(re.compile("/backtests/[0-9a-f]{32}"))
    # It moves without a reload: the page that was opened is the page that has the surface.
    tab.page.evaluate("window.isSame = true")
    expect(tab.page.locator("#job:not([data-final='']) #state .w")).to_have_text("completed", timeout=180_000)
    canvas = tab.page.locator("#surface canvas")
    expect(canvas).to_be_visible(timeout=30_000)
    readout = tab.page.locator("#surface [data-readout]")
    expect(readout).to_have_text(re.compile(r"^slow \d+, fast \d+: Combination \d+, "))
    best = readout.inner_text()
    canvas.focus()
    tab.page.keyboard.press("ArrowLeft")
    expect(readout).not_to_have_text(best)
    tab.page.select_option("#surface [data-metric]", "max_drawdown")
    expect(tab.page.locator("#h-best")).to_be_visible()
    expect(tab.page.locator("main")).to_contain_text("With 4,720 trials")
    assert tab.page.evaluate("window.isSame")
    tab.shoot("sweep-ended")
    assert tab.faults == []


def test_a_backtest_can_be_read_without_javascript(open_tab: OpenTab, stack: Stack) -> None:
    asked = {"strategy": "buy_and_hold", "symbols": ["7203", "6758"], "sessions": 250}
    answer = stack.api.http.post("/api/v1/backtest/run", json=asked)
    job = stack.api.http.get(answer.headers["location"], headers={"Prefer": "wait=60"}, timeout=70).json()
    assert job["status"] == "completed"
    tab = open_tab(java_script_enabled=False)
    tab.page.goto(f"{tab.url}/backtests/{job['job_id']}")
    for text in ("Buy and hold", "Monthly returns", "Metrics", "guarantees no future result"):
        expect(tab.page.locator("main")).to_contain_text(text)
    assert tab.page.locator("svg path.ln").count() >= 4
    tab.page.goto(f"{tab.url}/backtests/new")
    tab.page.click("nav.pick a:has-text('Breakout')")
    expect(tab.page.locator("[name=p_entry]")).to_have_value("55")
