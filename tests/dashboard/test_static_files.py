"""Static files: kept for ever under their hash, revalidated otherwise, and exactly the published ones."""

import gzip
import hashlib
import re
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.dashboard.renderer import StaticFiles
from tests.fixtures.jobs.browsers import browser_of, tags_of

pytestmark = pytest.mark.anyio
STATIC = Path(__file__).resolve().parents[2] / "src/kaboom/dashboard/static"
VENDOR = STATIC / "vendor"


async def test_a_page_links_files_that_are_cached_forever(app: FastAPI) -> None:
    async with browser_of(app, owner="") as browser:
        page = (await browser.get("/login")).text
        links = [tag.get("href") or tag["src"] for name, tag in tags_of(page) if name in {"link", "script"}]
        assert len(links) >= 3
        for link in links:
            answer = await browser.get(link)
            assert (answer.status_code, answer.headers["cache-control"]) == (200, "public, max-age=31536000, immutable")
            assert answer.headers["cross-origin-resource-policy"] == "same-origin"


async def test_a_file_of_an_older_release_is_revalidated(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/static/0123456789abcdef/kaboom.css")
    assert answer.headers["cache-control"] == "public, max-age=0, must-revalidate"
    again = await browser.get("/static/0123456789abcdef/kaboom.css", headers={"if-none-match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


async def test_a_file_is_compressed_for_those_who_take_it(browser: httpx2.AsyncClient) -> None:
    link = StaticFiles().link("kaboom.css")
    async with browser.stream("GET", link, headers={"accept-encoding": "gzip"}) as answer:
        raw = b"".join([part async for part in answer.aiter_raw()])
    assert answer.headers["content-encoding"] == "gzip"
    assert gzip.decompress(raw) == (STATIC / "kaboom.css").read_bytes()
    plain = await browser.get(link, headers={"accept-encoding": "gzip;q=0"})
    assert "content-encoding" not in plain.headers


@pytest.mark.parametrize(
    "path",
    [
        "/static/x/nothing.css",
        "/static/x/%2e%2e/routes.py",
        "/static/x/..%2f..%2froutes.py",
        "/static/x/vendor/SHA256SUMS",
        "/static/x/",
    ],
)
async def test_nothing_else_is_published(app: FastAPI, path: str) -> None:
    async with browser_of(app, owner="", accept="*/*") as browser:
        assert (await browser.get(path)).status_code == 404


def test_the_hash_changes_with_any_file(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = StaticFiles(), StaticFiles()
    assert one.tree == other.tree
    changed = StaticFiles()
    name, file = next(iter(changed._files.items()))
    changed._files[name] = type(file)(file.content + b" ", file.media_type)
    assert changed.tree != one.tree


def test_vendored_files_are_those_of_the_manifest() -> None:
    listed = dict(line.split("  ")[::-1] for line in (VENDOR / "SHA256SUMS").read_text().splitlines())
    found = {
        str(path.relative_to(VENDOR)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in VENDOR.rglob("*")
        if path.is_file() and path.name != "SHA256SUMS"
    }
    assert found == listed
    # Each library has its version in its folder's name, and its licence beside it.
    for folder in VENDOR.iterdir():
        if folder.is_dir():
            assert re.fullmatch(r"[a-z-]+-\d+\.\d+\.\d+", folder.name)
            assert (folder / "LICENSE").is_file()
