"""Requests of pages are ones that the API takes: method, path, query and body, as its description says."""

import json
import re
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from jsonschema import Draft202012Validator

from kaboom.catalog import CATALOG
from tests.fixtures.jobs.apps import openapi_document
from tests.fixtures.repo.command_blocks import PAGES, read_blocks
from tests.fixtures.repo.command_lines import find_commands
from tests.fixtures.repo.repository import load_text

_METHODS = "GET|POST|PUT|PATCH|DELETE"
#: What `json` blocks show, in the order of the page.
_SHOWN = {
    "docs/reference/analyses.md": ["AnalyseBody"],
    "docs/reference/overview-api.md": ["AlertList", "WorkerView"],
    "docs/reference/portfolios.md": ["NewTrade"],
    "docs/reference/problems.md": ["Problem"],
}
#: Paths of others that pages name.
_OF_OTHERS = {"/kaboom", "/v8/finance/chart/{symbol}.T", "/webhook/"}
_BODY = {"-d", "--data"}


def find_route(method: str, path: str) -> dict[str, Any] | None:
    """Return a route by a path with anything in place of its parameters, or by the end of one after `…`."""
    start = ".*" if path.startswith("…") else ""
    pattern = re.sub(r"\\\{\w+\\\}|\$\w+|…", "[^/]+", re.escape(path.removeprefix("…")))
    for template, routes in openapi_document()["paths"].items():
        filled = re.sub(r"\{\w+\}", "X", template)
        shaped = re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path)
        if method.lower() in routes and (shaped or re.fullmatch(start + pattern, filled)):
            found: dict[str, Any] = routes[method.lower()]
            return found
    return None


def named_by(page: str) -> list[tuple[str, str]]:
    """Return each method with its path that a page names, without the query."""
    found = re.findall(rf"\b({_METHODS}) (?=[/…])([^\s`|,)?]+)", load_text(page))
    return [(method, path) for method, path in found if path not in _OF_OTHERS]


def curls_of(page: str) -> list[tuple[str, str, str]]:
    """Return the method, the address and the body, or "", of each `curl` of a page's blocks that asks Kaboom."""
    calls = []
    text = "\n".join(block.text for block in read_blocks(load_text(page)) if block.language == "bash")
    for words in find_commands(text):
        urls = [word for word in words if re.match(r"http://127\.0\.0\.1:8000|\$KABOOM_API_URL", word)]
        if words[0] == "curl" and urls:
            body = next((words[n + 1] for n, word in enumerate(words) if word in _BODY), "")
            method = words[words.index("-X") + 1] if "-X" in words else "POST" if body else "GET"
            calls.append((method, urls[0], body))
    return calls


def faults_of_body(schema: dict[str, Any], body: Any) -> list[str]:
    """Return what the API would say of a body."""
    whole = {**schema, "components": openapi_document()["components"]}
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(body)]


def faults_of_call(method: str, url: str, body: str) -> list[str]:
    """Return what is wrong with a call."""
    parts = urlsplit(url.removeprefix("$KABOOM_API_URL"))
    route = find_route(method, parts.path)
    if route is None:
        return [f"{method} {parts.path} is no route"]
    known = {parameter["name"] for parameter in route.get("parameters", ()) if parameter["in"] == "query"}
    faults = [f"{name} is no parameter" for name, _ in parse_qsl(parts.query) if name not in known]
    if body:
        faults += faults_of_body(route["requestBody"]["content"]["application/json"]["schema"], json.loads(body))
    return faults


def test_every_path_that_a_page_names_is_a_route() -> None:
    assert [(page, *call) for page in PAGES for call in named_by(page) if find_route(*call) is None] == []


def test_the_api_takes_every_call_of_a_page() -> None:
    assert [(page, fault) for page in PAGES for call in curls_of(page) for fault in faults_of_call(*call)] == []


def test_many_calls_are_found() -> None:
    assert sum(len(named_by(page)) for page in PAGES) > 100
    calls = [call for page in PAGES for call in curls_of(page)]
    assert len(calls) > 20
    assert len([body for *_, body in calls if body]) > 8


@pytest.mark.parametrize("page", _SHOWN)
def test_json_of_a_page_has_its_schema(page: str) -> None:
    shown = [json.loads(block.text) for block in read_blocks(load_text(page)) if block.language == "json"]
    assert len(shown) == len(_SHOWN[page])
    for model, value in zip(_SHOWN[page], shown, strict=True):
        assert faults_of_body({"$ref": f"#/components/schemas/{model}"}, value) == []


def test_every_json_block_has_a_schema() -> None:
    assert {page for page in PAGES for b in read_blocks(load_text(page)) if b.language == "json"} == set(_SHOWN)


def test_a_schedules_request_is_one_of_its_task() -> None:
    models = {job_type.name: job_type.request for job_type in CATALOG}
    texts = [block.text for page in PAGES for block in read_blocks(load_text(page)) if block.language == "bash"]
    for words in find_commands("\n".join(texts)):
        if "--request" in words:
            task = words[words.index("--task") + 1] if "--task" in words else "ingest.run_daily"
            models[task].model_validate_json(words[words.index("--request") + 1])


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (("GET", "http://127.0.0.1:8000/api/v1/bar/7203", ""), "no route"),
        (("PUT", "http://127.0.0.1:8000/api/v1/bars/7203", ""), "no route"),
        (("GET", "http://127.0.0.1:8000/api/v1/bars/7203?intervals=1m", ""), "no parameter"),
        (("POST", "$KABOOM_API_URL/api/v1/ingest/run-daily", '{"interval": "1m"}'), "interval"),
        (("POST", "$KABOOM_API_URL/api/v1/ingest/run-daily", '{"intervals": {"1m": "x"}}'), "intervals"),
    ],
)
def test_a_wrong_call_is_noticed(call: tuple[str, str, str], fault: str) -> None:
    assert fault in "".join(faults_of_call(*call))
