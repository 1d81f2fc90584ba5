"""A search for words looks at so many jobs a page, and says how far back it went."""

import itertools
from datetime import datetime
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.jobs.api import job_list
from kaboom.jobs.postgres.port import JobQuery
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.planted import plant_queued

pytestmark = pytest.mark.anyio


@pytest.fixture
async def markets(real_app: FastAPI, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs of seven markets, newest first, of which a page searches three."""
    monkeypatch.setattr(job_list, "SEARCHED_JOBS", 3)
    planted = ["TSE_GROWTH", "FILE", "FILE", "TSE_PRIME", "FILE", "TSE_PRIME", "TSE_PRIME"]
    for market in reversed(planted):
        await plant_queued(real_app, market=market)
    return planted


async def read_all(http: httpx2.AsyncClient, query: str) -> list[Any]:
    """Return every page of a list."""
    pages, path = [], f"/api/v1/jobs?{query}"
    while path:
        answer = await http.get(path)
        assert answer.status_code == 200, answer.text
        pages.append(answer.json())
        link = answer.headers.get("link", "")
        path = link.removeprefix("<").removesuffix('>; rel="next"')
    return pages


def found(pages: list[Any]) -> list[list[str]]:
    return [[job["market"] for job in page["items"]] for page in pages]


async def test_pages_search_on_until_no_job_is_left(
    real_app: FastAPI, markets: list[str], real_http: httpx2.AsyncClient
) -> None:
    pages = await read_all(real_http, "q=growth")
    assert found(pages) == [["TSE_GROWTH"], [], []]
    kept = await jobs_of(real_app).parts.history.list_jobs(JobQuery(("ingest",), OWNER))
    bounds = [page["searched_back_to"] and datetime.fromisoformat(page["searched_back_to"]) for page in pages]
    assert bounds == [kept[2].requested_at, kept[5].requested_at, None]


async def test_a_full_page_goes_on_after_its_last_job(markets: list[str], real_http: httpx2.AsyncClient) -> None:
    pages = await read_all(real_http, "q=prime&limit=1")
    assert found(pages)[:2] == [[], ["TSE_PRIME"]]
    assert list(itertools.chain(*found(pages))) == ["TSE_PRIME"] * 3
    assert pages[1]["searched_back_to"] is None


async def test_a_list_without_words_is_not_a_search(markets: list[str], real_http: httpx2.AsyncClient) -> None:
    pages = await read_all(real_http, "limit=4&queue=ingest")
    assert list(itertools.chain(*found(pages))) == markets
    assert {page["searched_back_to"] for page in pages} == {None}
