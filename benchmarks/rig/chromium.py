"""What Chromium takes to show a page: its first paint, and the drawing of the map of coverage."""

import os
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, Page, sync_playwright

from benchmarks.rig.stack import Served

_CHROMIUM = os.environ.get("KABOOM_CHROMIUM", "/usr/bin/chromium")
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_REDRAW = """() => {
  const start = performance.now();
  document.dispatchEvent(new Event('redraw'));
  return performance.now() - start;
}"""
#: A pointer that moves over the map, once a frame: the milliseconds of script that each move takes.
_HOVER = """async () => {
  const cells = document.querySelector('.map-cells');
  const box = cells.getBoundingClientRect();
  const spent = [];
  for (let step = 0; step < 240; step += 1) {
    await new Promise(requestAnimationFrame);
    const start = performance.now();
    const at = { clientX: box.left + (box.width * step) / 240, clientY: box.top + (box.height * (step % 60)) / 60 };
    cells.dispatchEvent(new PointerEvent('pointermove', { bubbles: true, ...at }));
    cells.getBoundingClientRect();
    spent.push(performance.now() - start);
  }
  return spent;
}"""


def measure_paint(api: Served, path: str, *, rounds: int) -> list[float]:
    """Return the milliseconds from the navigation to the first paint, each without a cache."""
    paints = []
    with _chromium() as browser:
        # The first page of a process pays for its start.
        for _ in range(rounds + 1):
            page = _open(browser, api, path)
            page.wait_for_function(_PAINT)
            paints.append(float(page.evaluate(_PAINT)))
            page.context.close()
    return paints[1:]


def measure_map(api: Served, path: str, *, rounds: int) -> dict[str, float]:
    """Return the cells of the map, the milliseconds of its best drawing, and of script while a pointer moves."""
    with _chromium() as browser:
        page = _open(browser, api, path)
        page.wait_for_selector("#map:not([hidden])", timeout=60_000)
        drawn = [float(page.evaluate(_REDRAW)) for _ in range(rounds)]
        spent = sorted(page.evaluate(_HOVER))
    sessions = api.get("/api/v1/coverage/sessions?interval=1d&sessions=250&market=TSE_PRIME")["items"]
    return {
        "cells": sum(each["symbols"] for each in sessions),
        "drawn ms": min(drawn),
        "drawn p50 ms": statistics.median(drawn),
        "hover p50 ms": statistics.median(spent),
        "hover p95 ms": spent[int(len(spent) * 0.95)],
    }


@contextmanager
def _chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=_CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


def _open(browser: Browser, api: Served, path: str) -> Page:
    headers = {"x-ingest-token": api.token}
    page = browser.new_context(viewport={"width": 1440, "height": 900}, extra_http_headers=headers).new_page()
    page.goto(f"http://127.0.0.1:{api.port}{path}")
    return page
