"""What Chromium takes to show a page: its first paint, its weight, and the drawing of the map of coverage."""

import os
import statistics
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import pairwise

from playwright.sync_api import Browser, Page, Request, sync_playwright

from benchmarks.rig.stack import Served

_CHROMIUM = os.environ.get("KABOOM_CHROMIUM", "/usr/bin/chromium")
_PAINT = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0"
_REDRAW = """() => {
  const start = performance.now();
  document.dispatchEvent(new Event('redraw'));
  return performance.now() - start;
}"""
#: Notes the time of every frame that Chromium makes, until `sawFrames` is called.
_WATCH_FRAMES = """() => {
  const times = [];
  let next = requestAnimationFrame(function note(at) {
    times.push(at);
    next = requestAnimationFrame(note);
  });
  window.sawFrames = () => {
    cancelAnimationFrame(next);
    return times;
  };
}"""
_HOVER_S = 4.0


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
    """Return the cells of the map, the milliseconds of its best drawing, and its frames with and without a pointer.

    The pointer is real input: Chromium draws in software here, and hit-tests, runs the script and rasters each frame.
    """
    with _chromium() as browser:
        page = _open(browser, api, path)
        page.wait_for_selector("#map:not([hidden])", timeout=60_000)
        drawn = [float(page.evaluate(_REDRAW)) for _ in range(rounds)]
        still, hover = _frames(page, is_moving=False), _frames(page, is_moving=True)
    sessions = api.get("/api/v1/coverage/sessions?interval=1d&sessions=250&market=TSE_PRIME")["items"]
    return {
        "cells": sum(each["symbols"] for each in sessions),
        "drawn ms": min(drawn),
        "drawn p50 ms": statistics.median(drawn),
        "still frames/s": 1000 / statistics.mean(still),
        "hover frames/s": 1000 / statistics.mean(hover),
        "hover p95 ms": sorted(hover)[int(len(hover) * 0.95)],
    }


def measure_weights(api: Served, paths: Mapping[str, str]) -> dict[str, float]:
    """Return the kB that each page takes over the wire with all that it loads, without a cache."""
    with _chromium() as browser:
        return {name: _weigh(browser, api, path) / 1000 for name, path in paths.items()}


def _weigh(browser: Browser, api: Served, path: str) -> int:
    page = _open(browser, api, "/healthz")
    loaded: list[Request] = []

    def note(request: Request) -> None:
        loaded.append(request)

    page.on("requestfinished", note)
    page.goto(f"http://127.0.0.1:{api.port}{path}")
    page.wait_for_timeout(1500)
    size = sum(each.sizes()["responseBodySize"] for each in loaded)
    page.context.close()
    return size


def _frames(page: Page, *, is_moving: bool) -> list[float]:
    """Return the milliseconds between frames, while the pointer moves over the map or nothing happens."""
    box = page.locator(".map-cells").bounding_box()
    assert box
    page.evaluate(_WATCH_FRAMES)
    ends_at, step = time.monotonic() + _HOVER_S, 0
    while time.monotonic() < ends_at:
        if is_moving:
            x, y = box["x"] + box["width"] * (step % 997) / 997, box["y"] + box["height"] * (step % 61) / 61
            page.mouse.move(x, y)
            step += 1
        else:
            page.wait_for_timeout(100)
    times: list[float] = page.evaluate("window.sawFrames()")
    return [after - before for before, after in pairwise(times)]


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
