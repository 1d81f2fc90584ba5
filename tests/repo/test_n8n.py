"""The n8n workflows fit the API and each other, hold no secret and end; `make e2e-n8n` runs them."""

import json
import re
from copy import deepcopy
from functools import cache
from typing import Any

import pytest

from kaboom.analysis.jobs import ANALYSE
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.api.submission import build_body
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import TRANSITIONS, JobStatus
from kaboom.schedules.model import default_schedule
from tests.fixtures.jobs.apps import openapi_document
from tests.fixtures.repo.n8n_workflows import Frame, faults_in, kind, node_of, rules_of, texts_in
from tests.fixtures.repo.repository import ROOT, load_text

FOLDER, TEST_N8N = ROOT / "n8n", ROOT / "tests/n8n"
WORKFLOWS: dict[str, Any] = {path.stem: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
ANALYSIS = WORKFLOWS["ai-analysis"]
POLLING, CALLBACK = WORKFLOWS["daily-ingest-polling"], WORKFLOWS["daily-ingest-callback"]
README = load_text("n8n/README.md")
#: What the two ways of waiting cannot have in common.
_APART = {"Ask for the job", "How is it?", "Job", "Request", "Settings", "Until Kaboom calls", "Until the next look"}
_DROP = object()
_API = "={{ $('Settings').first().json.api_url }}/api/v1/ingest"
_POLLS = ("How is it?", "parameters", "rules", "values", 4, "conditions", "conditions", 0, "leftValue")
#: What is said → where in the polling workflow to plant what; a node by its name.
_PLANTED: list[tuple[str, tuple[str | int, ...], Any]] = [
    ("is active", ("active",), True),
    ("which an export leaves behind", ("pinData",), {"Submit": []}),
    ("which was never run", ("Submit", "typeVersion"), 4.1),
    ("which was never run", ("Submit", "type"), "n8n-nodes-base.ssh"),
    ("same id", ("Submit", "id"), POLLING["nodes"][0]["id"]),
    ("which is not there", ("connections", "Job", "main", 0, 0, "node"), "Ask for a job"),
    ("nothing leads to", ("connections", "Say how it went"), _DROP),
    ("leads nowhere", ("connections", "Submit", "main", 1), _DROP),
    ("asks Sumbit, which is not there", ("Job", "parameters", "job_id"), "={{ $('Sumbit').first().json.body.job_id }}"),
    ("does not explain", ("Request", "parameters", "jsCode"), "return $env.KABOOM_PATIENCE;"),
    ("come from outside", ("Ask for the job", "parameters", "url"), "https://kaboom.example/jobs"),
    ("come from outside", ("Request", "parameters", "jsCode"), "const token = 's3cret';"),
    ("more of a credential", ("Submit", "credentials", "httpHeaderAuth", "data"), {"value": "s3cret"}),
    ("goes round without counting", _POLLS, "={{ $json.body?.status === 'running' }}"),
    ("is not tried again", ("Ask for the job", "maxTries"), 50),
    ("no bound of time", ("Ask for the job", "parameters", "options", "timeout"), _DROP),
    ("which the API does not have", ("Ask for the job", "parameters", "url"), f"{_API}/job/{{{{ $json.id }}}}"),
    ("which the API does not have", ("Submit", "parameters", "method"), "PUT"),
    ("asks without the token", ("Submit", "credentials"), _DROP),
    ("wherever it is sent", ("Submit", "parameters", "options", "redirect"), _DROP),
    ("lets anybody in", ("By webhook", "parameters", "authentication"), "none"),
    ("tells nobody", ("settings", "errorWorkflow"), _DROP),
    ("calls kaboomAlert, which is not there", ("settings", "errorWorkflow"), "kaboomAlert"),
]


@cache
def frame() -> Frame:
    """Return what surrounds the workflows: the routes of the API, the variables, and their own ids."""
    return Frame(
        paths={
            re.sub(r"\{\w+\}", "{}", path): {method.upper() for method in methods}
            for path, methods in openapi_document()["paths"].items()
        },
        variables=set(re.findall(r"^\| `(KABOOM_\w+)` \|", README, re.MULTILINE)),
        ids={workflow["id"] for workflow in WORKFLOWS.values()},
    )


def plant(path: tuple[str | int, ...], value: Any) -> Any:
    """Return the polling workflow with something else at a path of it."""
    found = deepcopy(POLLING)
    place = found if path[0] in {*POLLING, "pinData"} else {node["name"]: node for node in found["nodes"]}
    for step in path[:-1]:
        place = place[step]
    if value is _DROP:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return found


@pytest.mark.parametrize("workflow", WORKFLOWS.values(), ids=WORKFLOWS.keys())
def test_a_workflow_is_sound(workflow: Any) -> None:
    assert faults_in(workflow, frame()) == []


@pytest.mark.parametrize(("said", "path", "value"), _PLANTED)
def test_a_planted_fault_is_found(said: str, path: tuple[str | int, ...], value: Any) -> None:
    assert [fault for fault in faults_in(plant(path, value), frame()) if said in fault] != []


def test_no_two_workflows_or_nodes_share_an_id() -> None:
    assert len(frame().ids) == len(WORKFLOWS)
    nodes = [node["id"] for workflow in WORKFLOWS.values() for node in workflow["nodes"]]
    assert len(set(nodes)) == len(nodes)


def test_what_both_daily_workflows_do_they_do_alike() -> None:
    def shared(workflow: Any) -> dict[str, Any]:
        nodes = {node["name"]: node for node in workflow["nodes"] if node["name"] not in _APART}
        return {
            name: [node["type"], _but_path(node["parameters"]), node.get("onError")] for name, node in nodes.items()
        }

    assert shared(POLLING) == shared(CALLBACK)
    assert POLLING["settings"] == CALLBACK["settings"]


def _but_path(parameters: Any) -> Any:
    return {name: value for name, value in parameters.items() if name != "path"}


def test_an_analysis_is_reported_with_its_disclaimer() -> None:
    assert "disclaimer" in node_of(ANALYSIS, "Say how it went")["parameters"]["jsCode"]


@pytest.mark.parametrize("workflow", [POLLING, CALLBACK, ANALYSIS], ids=["polling", "callback", "analysis"])
def test_every_end_of_a_job_has_its_way(workflow: Any) -> None:
    final = {status for status in JobStatus if not TRANSITIONS[status]}
    rules = rules_of(node_of(workflow, "How is it?"))
    assert final < set(rules)
    for status in final:
        # n8n puts what led to a failed request beside its error, so a body counts only where there is none.
        assert rules[status] == f"={{{{ $json.error === undefined && $json.body?.status === '{status}' }}}}"
    (not_yet,) = (rule for name, rule in rules.items() if name == "not yet")
    assert set(re.findall(r"'(\w+)'", not_yet.partition("]")[0])) == {s.value for s in JobStatus} - final


@pytest.mark.parametrize(
    ("workflow", "job_type"),
    [(POLLING, RUN_DAILY), (CALLBACK, RUN_DAILY), (ANALYSIS, ANALYSE)],
    ids=["polling", "callback", "analysis"],
)
def test_what_is_asked_for_is_a_request_of_the_api(workflow: Any, job_type: JobType) -> None:
    fields = {f["name"]: f["value"] for f in node_of(workflow, "Settings")["parameters"]["assignments"]["assignments"]}
    asked = json.loads(fields["request"].removeprefix("={{").removesuffix("}}"))
    body = build_body(job_type).model_validate(asked)
    assert body.model_dump(mode="json", exclude_unset=True) == asked


@pytest.mark.parametrize("workflow", [POLLING, CALLBACK], ids=["polling", "callback"])
def test_it_is_due_when_kaboom_s_own_schedule_is(workflow: Any) -> None:
    (due,) = node_of(workflow, "After the close")["parameters"]["rule"]["interval"]
    hour, minute = default_schedule().timing.text.split(":")
    assert due == {"field": "cronExpression", "expression": f"{minute} {hour} * * 1-5"}
    assert workflow["settings"]["timezone"] == "Asia/Tokyo"


def test_the_readme_names_what_is_imported() -> None:
    held = [held for w in WORKFLOWS.values() for n in w["nodes"] for held in n.get("credentials", {}).values()]
    for credential in {(entry["id"], entry["name"]) for entry in held}:
        assert all(f"`{word}`" in README for word in credential)
    paths = [n["parameters"]["path"] for w in WORKFLOWS.values() for n in w["nodes"] if kind(n) == "webhook"]
    assert all(f"`{path}`" in README for path in paths)
    assert all(f"[`{name}.json`]({name}.json)" in README for name in WORKFLOWS)
    read = {name for w in WORKFLOWS.values() for text in texts_in(w) for name in re.findall(r"\$env\.(\w+)", text)}
    assert read == frame().variables


def test_the_lock_has_the_documented_n8n_and_no_host() -> None:
    wanted, lock = (json.loads((TEST_N8N / f"{name}.json").read_text()) for name in ("package", "package-lock"))
    version = wanted["dependencies"]["n8n"]
    assert f"n8n {version}" in README
    assert lock["packages"]["node_modules/n8n"]["version"] == version
    # Ours are these; a lock made without them installs an n8n that does not start.
    assert lock["packages"]["node_modules/xlsx"]["name"] == "@e965/xlsx"
    assert lock["packages"]["node_modules/@langchain/langgraph-checkpoint"]["version"] == "1.0.0"
    entries = [entry for name, entry in lock["packages"].items() if name and not entry.get("link")]
    assert len(entries) > 1_500
    assert [entry for entry in entries if "resolved" in entry] == []
    assert [entry for entry in entries if "integrity" not in entry and not entry.get("inBundle")] == []
