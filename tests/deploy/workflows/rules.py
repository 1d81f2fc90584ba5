"""Rules of the house for workflows, which no checker has: what each job may do, how long, and with which actions."""

import re
from collections.abc import Iterator
from typing import Any

import yaml

Workflow = dict[str, Any]

_PINNED = re.compile(r"uses: (?:\$/\S+|[\w.-]+(?:/[\w.-]+)+@[0-9a-f]{40} # v\d+\.\d+\.\d+)$")
_FORBIDDEN = {
    "credentials_json": "a key where federation does without",
    "pull_request_target": "a trigger with rights for strangers' code",
    "workflow_run": "a trigger with rights for strangers' code",
    "self-hosted": "a machine that strangers' code could stay on",
}

_USUAL = {("contents", "read"), ("id-token", "write")}
#: What single jobs of single workflows may do beside.
_FURTHER = {
    ("Release", "publish"): {("packages", "write")},
    ("Release", "announce"): {("contents", "write")},
    ("Audit", "published"): {("packages", "read")},
}


def faults_of(text: str) -> list[str]:
    """Say what is wrong with a workflow."""
    workflow: Workflow = yaml.load(text, Loader=yaml.BaseLoader)
    return [*_faults_of_text(text), *_faults_of_jobs(workflow)]


def actions_of(text: str) -> set[str]:
    """Return `action@commit # version` for each action of a workflow."""
    return {line.strip().removeprefix("- ").removeprefix("uses: ") for line in _uses(text) if "$/" not in line}


def _uses(text: str) -> list[str]:
    return [line for line in text.splitlines() if re.match(r"\s*(- )?uses:", line)]


def _faults_of_text(text: str) -> Iterator[str]:
    for line in _uses(text):
        if not _PINNED.fullmatch(line.strip().removeprefix("- ")):
            yield f"not pinned by a commit with its version beside it: {line.strip()}"
    for word, what in _FORBIDDEN.items():
        if word in text:
            yield f"{word}: {what}"


def _faults_of_jobs(workflow: Workflow) -> Iterator[str]:
    if workflow.get("permissions") != {}:
        yield "a workflow begins with no permissions"
    if "concurrency" not in workflow:
        yield "a workflow says what may run beside it"
    for name, job in workflow["jobs"].items():
        if not isinstance(job.get("permissions"), dict):
            yield f"{name}: says which permissions it has"
        elif odd := set(job["permissions"].items()) - _USUAL - _FURTHER.get((str(workflow["name"]), name), set()):
            yield f"{name}: has {odd}"
        if "uses" in job:
            continue
        if not job.get("timeout-minutes", "").isdigit():
            yield f"{name}: ends by itself, timeout-minutes"
        if re.search(r"-latest$", job["runs-on"]):
            yield f"{name}: runs on whatever is newest"
        yield from _faults_of_steps(name, job)


def _faults_of_steps(name: str, job: Workflow) -> Iterator[str]:
    for step in job["steps"]:
        at = f"{name}: {step.get('name', 'a step without a name')}"
        if "name" not in step:
            yield at
        if "${{" in step.get("run", ""):
            yield f"{at}: its script is put together from outside, instead of reading its environment"
        if len(step.get("run", "").splitlines()) > 15:
            yield f"{at}: a script of that length has a file"
        if "actions/checkout@" in step.get("uses", "") and step.get("with", {}).get("persist-credentials") != "false":
            yield f"{at}: keeps the token"


def limits_of(text: str, job: str) -> tuple[int, int]:
    """Return the limit of a job and the sum of those of its steps, in minutes; an action without one counts as 5."""
    spec = yaml.load(text, Loader=yaml.BaseLoader)["jobs"][job]
    steps = [int(step.get("timeout-minutes", 5 if "uses" in step else 10**6)) for step in spec["steps"]]
    return int(spec["timeout-minutes"]), sum(steps)
