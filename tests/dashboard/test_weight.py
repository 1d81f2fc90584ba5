"""What a page weighs: its HTML and all that it loads, gzipped."""

import gzip
import re
from pathlib import PurePosixPath

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.renderer import StaticFiles
from tests.fixtures.accounts.callers import browser_of as log_in
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.jobs.browsers import tags_of
from tests.fixtures.jobs.planted import plant_final, plant_queued

pytestmark = pytest.mark.anyio
MOST_BYTES, MOST_WITH_CHARTS = 60_000, 90_000
PATHS = (
    "/", "/jobs", "/data", "/schedules", "/schedules/new", "/workers",
    "/webhooks", "/dead-letters", "/quarantine", "/portfolios", "/backtests", "/backtests/new", "/backtests/sweep",
    "/backtests/compare", "/more", "/settings", "/users", "/tokens", "/audit",
)  # fmt: skip
WITH_CHARTS = ("/symbols/7203", "/symbols/7203?interval=1d")
_IMPORT = re.compile(r"""^import [^;]*?from '([^']+)';""", re.MULTILINE)
FILES = StaticFiles()._files


def modules_of(name: str) -> set[str]:
    """Return a static file, and what it imports."""
    found = {name}
    for path in _IMPORT.findall(FILES[name].content.decode()):
        parts: list[str] = []
        for part in (PurePosixPath(name).parent / path).parts:
            parts = parts[:-1] if part == ".." else [*parts, part]
        found |= modules_of("/".join(parts))
    return found


def files_of(page: str) -> set[str]:
    """Return the names of all static files that a page loads."""
    links = [tag.get("src") or tag.get("href", "") for name, tag in tags_of(page) if name in {"link", "script"}]
    named = [link.split("/", 3)[3] for link in links if link.startswith("/static/")]
    return set().union(*(modules_of(name) if name.endswith(".js") else {name} for name in named))


async def weigh(browser: httpx2.AsyncClient, path: str) -> int:
    answer = await browser.get(path)
    assert answer.status_code == 200
    return len(gzip.compress(answer.content)) + sum(len(FILES[name].packed) for name in files_of(answer.text))


async def test_pages_are_light(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    for _ in range(50):
        await plant_queued(real_app)
    limits = dict.fromkeys(PATHS, MOST_BYTES) | dict.fromkeys(WITH_CHARTS, MOST_WITH_CHARTS)
    weights = {path: await weigh(real_browser, path) for path in limits}
    assert {path: weight for path, weight in weights.items() if weight > limits[path]} == {}


async def test_the_page_of_a_job_is_light(real_app: FastAPI, real_browser: httpx2.AsyncClient) -> None:
    job = await plant_final(real_app, "ok", *["write_failed"] * 20)
    assert await weigh(real_browser, f"/jobs/ingest/{job.job_id}") <= MOST_BYTES


async def test_a_page_is_compressed_for_those_who_take_it(app: FastAPI) -> None:
    browser = await log_in(app, token=TOKEN)
    async with browser.stream("GET", "/more", headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert "Accept-Encoding" in answer.headers["vary"]
    plain = await browser.get("/more", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    # The secret that both have is never the same text: a size tells nothing of it (BREACH).
    tokens = [re.findall(r'name="csrf" value="([^"]+)"', text) for text in (gzip.decompress(raw).decode(), plain.text)]
    assert tokens[0]
    assert not set(tokens[0]) & set(tokens[1])


def test_imports_are_found() -> None:
    assert modules_of("live.js") == {"live.js", "stream.js", "clock.js"}
    assert "coverage/paint.js" in modules_of("coverage/page.js")
