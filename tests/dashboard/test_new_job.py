"""The form of a new job: a field for each value of its request, its preview, and what it refuses."""

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.catalog import CATALOG
from kaboom.dashboard.new_job import OWN_FORMS
from kaboom.dashboard.request_form import initial_values, list_request_fields, show_values, to_request
from tests.fixtures.jobs.browsers import browser_of, read_page, tags_of, text_of
from tests.fixtures.jobs.job_steps import until

pytestmark = pytest.mark.anyio
API = {"accept": "application/json"}


@pytest.mark.parametrize("task", [job_type.name for job_type in CATALOG])
def test_the_form_of_each_kind_gives_its_example_back(task: str) -> None:
    job_type, fields = CATALOG.get(task), list_request_fields(task)
    asked = {name: value for name, value in job_type.example.items() if name != "dry_run"}
    request = to_request(fields, show_values(fields, asked, default=True))
    given = job_type.request.fill_in(request)
    assert job_type.request.model_validate(given) == job_type.request.model_validate(asked)
    if task not in OWN_FORMS:
        job_type.request.model_validate(to_request(fields, initial_values(job_type)))


async def test_the_page_offers_every_kind_that_a_user_starts(browser: httpx2.AsyncClient) -> None:
    links = {tag.get("href") for name, tag in tags_of((await browser.get("/jobs/new")).text) if name == "a"}
    # A pipeline is run on its own page.
    offered = {job_type.name for job_type in CATALOG} - {"notifications.deliver", "market_data.start_pipeline"}
    own = {"backtest.run", "backtest.sweep", "ai_analysis.analyse"}
    assert {f"/jobs/new?task={name}" for name in offered - own} <= links
    assert {"/backtests/new", "/backtests/sweep", "/analyses/new"} <= links


async def test_a_preview_is_a_dry_run_that_leads_back_to_its_form(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    form = {"task": "ingest.run_daily", "r_intervals": "1d=1", "r_symbols": "7203, 6758", "r_market": "TSE_PRIME"}
    answer = await browser.post("/jobs/new", data=form | {"action": "preview"})
    assert answer.status_code == 303, text_of(answer.text)
    path = answer.headers["location"]
    job = (await browser.get(f"/api/v1{path.replace('/jobs/ingest', '/ingest/jobs')}", headers=API)).json()
    assert job["request"] == {
        "intervals": {"1d": 1},
        "symbols": ["7203", "6758"],
        "market": "TSE_PRIME",
        "dry_run": True,
        "chunk_size": 5000,
    } | {name: job["request"][name] for name in ("provider",) if name in job["request"]}
    again = (await browser.get(f"/jobs/new?from={path.removeprefix('/jobs/')}")).text
    values = {tag["name"]: tag.get("value") for name, tag in tags_of(again) if name == "input" and "name" in tag}
    assert (values["r_symbols"], values["r_intervals"]) == ("7203, 6758", "1d=1")


async def test_the_page_of_a_preview_says_what_would_be_asked_for(app: FastAPI, browser: httpx2.AsyncClient) -> None:
    form = {"task": "ingest.run_daily", "r_intervals": "1d=1", "r_symbols": "7203, 6758", "action": "preview"}
    path = (await browser.post("/jobs/new", data=form)).headers["location"]
    html = await until(lambda: read_page(browser, path), lambda shown: 'data-final="yes"' in shown, within_s=30)
    text = text_of(html)
    assert "Preview: nothing was done 2 symbols would be asked for. The provider is synthetic." in text
    assert "about 2 requests" in text
    assert "No job of this provider has ended yet" in text


async def test_a_refused_form_names_each_field_and_keeps_it(browser: httpx2.AsyncClient) -> None:
    form = {"task": "ingest.run_daily", "r_intervals": "7m=x", "r_symbols": "x!", "r_session": "2025/11/04"}
    answer = await browser.post("/jobs/new", data=form | {"action": "run"})
    assert answer.status_code == 422
    wrong = {tag["name"] for _, tag in tags_of(answer.text) if tag.get("aria-invalid") == "true"}
    assert wrong == {"r_intervals", "r_symbols", "r_session"}
    assert 'value="2025/11/04"' in answer.text


async def test_the_query_fills_the_form_of_one_cell(browser: httpx2.AsyncClient) -> None:
    query = {"task": "ingest.run_daily", "symbols": "7203", "session": "2025-11-04", "intervals": "1m=1"}
    html = (await browser.get("/jobs/new", params=query)).text
    values = {tag["name"]: tag.get("value") for name, tag in tags_of(html) if name == "input" and "name" in tag}
    assert (values["r_symbols"], values["r_session"], values["r_intervals"]) == ("7203", "2025-11-04", "1m=1")


async def test_a_viewer_cannot_start_a_job(app: FastAPI) -> None:
    async with browser_of(app, role="viewer") as browser:
        assert "disabled" in (await browser.get("/jobs/new?task=ingest.run_daily")).text.partition("Preview…")[0][-200:]
        assert (await browser.post("/jobs/new", data={"task": "ingest.run_daily"})).status_code == 403
