"""Symbols and jobs by name: the search for symbols, and a 404 with what was perhaps meant."""

from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI

from tests.fixtures.jobs.browsers import tags_of, text_of
from tests.fixtures.jobs.planted import plant_queued

pytestmark = pytest.mark.anyio


def near(html: str) -> list[str]:
    """Return the links of a page's list of what was perhaps meant."""
    return [tag["href"] for name, tag in tags_of(html.partition("Did you mean")[2]) if name == "a"][:-1]


@pytest.mark.parametrize(
    ("asked", "first"),
    [("7202.T", ""), ("1000", ""), ("99999", ""), ("toyota", "/symbols/7203"), ("トヨタ自動車", "/symbols/7203")],
)
async def test_an_unknown_symbol_is_not_a_map_of_gaps(browser: httpx2.AsyncClient, asked: str, first: str) -> None:
    answer = await browser.get(f"/symbols/{asked}")
    assert answer.status_code == 404
    assert f"There is no symbol {asked}" in text_of(answer.text)
    found = [link for link in near(answer.text) if link.startswith("/symbols/")]
    assert found
    assert not first or first in found


async def test_a_listed_symbol_without_bars_has_its_page(browser: httpx2.AsyncClient) -> None:
    assert (await browser.get("/symbols/7203")).status_code == 200


@pytest.mark.parametrize("queue", ["jobs/ingest", "backtests", "analyses"])
async def test_an_unknown_job_id_leads_to_the_job_that_begins_alike(
    real_app: FastAPI, real_browser: httpx2.AsyncClient, queue: str
) -> None:
    job = await plant_queued(real_app)
    for asked in (job.job_id[:8], job.job_id[:-1], job.job_id[:-1] + ("0" if job.job_id[-1] != "0" else "1")):
        answer = await real_browser.get(f"/{queue}/{asked}")
        assert answer.status_code == 404
        assert f"/jobs/ingest/{job.job_id}" in answer.text
    assert "Did you mean" not in (await real_browser.get(f"/{queue}/{'0' * 32}")).text


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("schedule", {"session_at": "16:35", "request": {"intervals": {"1m": 1}}}),
        ("portfolio", {}),
    ],
)
async def test_an_unknown_id_leads_to_what_is_named_alike(
    real_browser: httpx2.AsyncClient, real_http: httpx2.AsyncClient, kind: str, body: dict[str, Any]
) -> None:
    word = f"night{uuid4().hex[:8]}"
    made = (await real_http.post(f"/api/v1/{kind}s", json={"name": f"{word} {kind}", **body})).json()
    own = made.get("schedule_id") or made["id"]
    for asked in (word, own[:8], "0" * 32, "nothing"):
        answer = await real_browser.get(f"/{kind}s/{asked}")
        assert answer.status_code == 404, asked
        assert f"There is no {kind} {asked}" in text_of(answer.text)
        assert f'href="/{kind}s/' in answer.text.partition("Did you mean")[2]
        assert asked not in (word, own[:8]) or f'href="/{kind}s/{own}"' in answer.text


@pytest.mark.parametrize("asked", ["7203", " ７２０３ ", "toyota motor", "トヨタ自動車"])
async def test_a_search_for_one_symbol_opens_it(browser: httpx2.AsyncClient, asked: str) -> None:
    answer = await browser.get("/symbols", params={"q": asked})
    assert (answer.status_code, answer.headers.get("location")) == (303, "/symbols/7203")


async def test_a_search_lists_what_it_finds_in_both_languages(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    text = text_of((await browser.get("/symbols?q=toyota")).text)
    assert "3 symbols" in text
    assert "7203 TOYOTA MOTOR CORPORATION トヨタ自動車" in text
    assert "No listed symbol matches “zzzz”." in text_of((await browser.get("/symbols?q=zzzz")).text)
    assert (await browser.get("/symbols")).status_code == 200


async def test_every_page_has_a_box_for_a_symbol(browser: httpx2.AsyncClient) -> None:
    for path in ("/", "/jobs", "/more", "/nothing"):
        html = (await browser.get(path)).text
        assert [tag["action"] for name, tag in tags_of(html) if tag.get("role") == "search"][:1] == ["/symbols"], path
    fields = {"/backtests/new": {"symbols": "several", "benchmark": ""}, "/analyses/new": {"symbols": "several"}}
    for path, expected in fields.items():
        inputs = [tag for name, tag in tags_of((await browser.get(path)).text) if "data-symbols" in tag]
        assert {tag["name"]: tag["data-symbols"] for tag in inputs if tag["name"] != "q"} == expected
