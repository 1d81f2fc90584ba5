"""The pages of pipelines: the list, one with its graph, a run with its steps, and what each button does."""

import httpx2
import pytest

from kaboom.dashboard.step_graph import draw_graph
from kaboom.pipelines.request import StepSpec
from tests.fixtures.jobs.browsers import read_page, tags_of, text_of
from tests.pipelines.test_pipeline_routes import INGEST, ROLL_UP, ended

pytestmark = pytest.mark.anyio
PIPELINES = "/api/v1/pipelines"


async def save(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post(PIPELINES, json={"name": "morning", "steps": [INGEST, ROLL_UP]})
    assert answer.status_code == 201, answer.text


async def test_an_empty_list_says_what_to_do(browser: httpx2.AsyncClient) -> None:
    text = text_of(await read_page(browser, "/pipelines"))
    assert "No pipeline yet." in text
    assert "kaboom pipelines apply morning.yaml" in text


async def test_a_run_is_started_and_shown_with_its_graph(browser: httpx2.AsyncClient) -> None:
    await save(browser)
    page = text_of(await read_page(browser, "/pipelines/morning"))
    assert "It has not run yet." in page
    assert "ingest (if completed)" in page
    answer = await browser.post("/pipelines/morning/run", data={"session": ""})
    assert answer.status_code == 303, answer.text
    run_id = answer.headers["location"].rpartition("/")[2]
    run = await ended(browser, run_id)
    html = await read_page(browser, f"/pipeline-runs/{run_id}")
    hrefs = [tag.get("href") for name, tag in tags_of(html) if name == "a"]
    assert f"/jobs/ingest/{run['steps'][0]['job_id']}" in hrefs
    assert "node-ok" in html
    assert f"/pipeline-runs/{run_id}" in await read_page(browser, "/pipelines")
    # The page of a step's job has the whole run as its picture.
    job_html = await read_page(browser, f"/jobs/ingest/{run['steps'][0]['job_id']}")
    assert f"/pipeline-runs/{run_id}" in [tag.get("href") for name, tag in tags_of(job_html) if name == "a"]
    nodes = [tag["class"] for name, tag in tags_of(job_html) if tag.get("class", "").startswith("node ")]
    assert nodes == ["node node-ok node-here", "node node-ok"]
    assert "2 / 2" in text_of(await read_page(browser, "/pipelines/morning"))


async def test_a_session_runs_again_only_if_that_is_asked_for(browser: httpx2.AsyncClient) -> None:
    await save(browser)
    runs = list[str]()
    for form in ({}, {}, {"again": "yes"}):
        answer = await browser.post("/pipelines/morning/run", data={"session": ""} | form)
        runs.append(answer.headers["location"].rpartition("/")[2])
        await ended(browser, runs[-1])
    assert runs[0] == runs[1] != runs[2]


async def test_the_page_of_a_run_follows_it_until_it_has_ended(browser: httpx2.AsyncClient) -> None:
    await save(browser)
    run = (await browser.post(f"{PIPELINES}/morning/runs", json={})).json()["items"][0]
    page = f"/pipeline-runs/{run['run_id']}"
    going = await read_page(browser, page)
    await ended(browser, run["run_id"])
    over = await read_page(browser, page)
    # `refresh.js` takes `#fresh` anew while it has `data-again`.
    assert ['<div id="fresh" data-again>' in html for html in (going, over)] == [True, False]
    assert ["refresh.js" in html for html in (going, over)] == [True, False]


async def test_a_day_without_a_session_is_refused(browser: httpx2.AsyncClient) -> None:
    await save(browser)
    answer = await browser.post("/pipelines/morning/run", data={"session": "2025-11-03"})
    assert answer.status_code == 422


async def test_a_pipeline_is_deleted(browser: httpx2.AsyncClient) -> None:
    await save(browser)
    answer = await browser.post("/pipelines/morning/delete", data={"next": "/"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/pipelines?done=deleted")
    assert "The pipeline was deleted." in text_of(await read_page(browser, "/pipelines?done=deleted"))
    assert (await browser.get("/pipelines/morning")).status_code == 404


def test_a_graph_has_each_step_right_of_its_needs() -> None:
    steps = [
        StepSpec(name="a", task="t.t"), StepSpec(name="b", task="t.t", needs=["a"]), StepSpec(name="c", task="t.t"),
        StepSpec(name="d", task="t.t", needs=["b", "c"]),
    ]  # fmt: skip
    graph = draw_graph(steps)
    places = {node.step.name: (node.x, node.y) for node in graph.nodes}
    assert places["a"][0] == places["c"][0] < places["b"][0] < places["d"][0]
    assert len(set(places.values())) == 4
    assert len(graph.edges) == 3
    # A pixel for the line around the last step.
    assert graph.width == max(x for x, _ in places.values()) + 148 + 1
    assert graph.height == max(y for _, y in places.values()) + 46 + 1
