"""Ids and codes that nothing has: 404, with what was perhaps meant."""

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
