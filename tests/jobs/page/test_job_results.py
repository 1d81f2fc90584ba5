"""The page of every kind of job: its result is shown by its model, whatever its keys are called."""

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.catalog import CATALOG
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import Queue
from tests.fixtures.jobs.apps import jobs_of
from tests.fixtures.jobs.browsers import browser_of, text_of
from tests.fixtures.jobs.example_results import RESULTS
from tests.fixtures.jobs.jobs import OWNER
from tests.fixtures.jobs.planted import plant_example
from tests.fixtures.workers.answers import TRAP
from tests.jobs.page.test_job_page import part_of, read

pytestmark = pytest.mark.anyio


def page_of(job_type: JobType, job_id: str) -> str:
    return f"/jobs/{Queue(job_type.queue).root.rpartition('/')[2]}/{job_id}"


async def test_the_page_of_every_kind_shows_its_result(real_app: FastAPI) -> None:
    planted = [(job_type, await plant_example(real_app, job_type)) for job_type in CATALOG]
    for language in ("en", "ja"):
        async with browser_of(real_app, **{"accept-language": language}) as browser:
            for job_type, job in planted:
                shown = part_of(await read(browser, page_of(job_type, job.job_id)), "ho")
                assert ("write_failed 1 50.0%" in shown) == bool(job_type.plan), job_type.name
                if job_type.queue in {"market_data", "notifications"} and job_type.run:
                    known = {name for name, value in RESULTS[job_type.name].items() if value is not None}
                    assert known <= set(shown.split()), job_type.name
            assert text_of(await read(browser, "/jobs"))


async def test_keys_of_other_results_have_no_meaning(
    app: FastAPI, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CATALOG._by_name, TRAP.name, TRAP)
    for answer, head in (("trap", "completed"), ("2/1", "partial 2 of 3 items ended well, 1 failed")):
        job = (await jobs_of(app).submit(TRAP, {"answer": answer}, owner=OWNER)).job
        path = page_of(TRAP, job.job_id)
        await browser.get(
            f"/api/v1{path.replace('/jobs/market-data', '/market-data/jobs')}", headers={"prefer": "wait=20"}
        )
        html = await read(browser, path)
        assert head in text_of(html)
        shown = part_of(html, "ho")
        # A text is shown as text, and neither as JSON nor as HTML.
        assert "counts five of <b>576</b>" in shown.replace("&lt;", "<").replace("&gt;", ">")
        assert 'outcomes {"hits":5,"misses":571}' in shown.replace("&#34;", '"')
        assert "of 576" not in text_of(html).replace("five of", "")
