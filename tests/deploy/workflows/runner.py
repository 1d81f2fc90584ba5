"""Runs the jobs of a workflow here as GitHub would: needs, outputs, conditions, environments; the unknown raises."""

import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from tests.deploy.workflows.expressions import UnknownError, evaluate, substitute

#: Told of an action, what it is given and what the job may do.
Action = Callable[[str, dict[str, str], Mapping[str, str]], None]

#: What GitHub runs for each `shell`; None is no word about it, which does without pipefail.
_SHELLS = {None: ["bash", "-e"], "bash": ["bash", "--noprofile", "--norc", "-eo", "pipefail"]}
_STEP_KEYS = {"name", "id", "if", "uses", "with", "run", "env", "timeout-minutes", "continue-on-error"}
_JOB_KEYS = {
    "name",
    "if",
    "needs",
    "uses",
    "runs-on",
    "timeout-minutes",
    "environment",
    "permissions",
    "outputs",
    "env",
    "strategy",
    "steps",
}


@dataclass(frozen=True)
class World:
    """What is outside of a workflow: the event, variables by environment, the machine, actions and called workflows.

    Variables of the repository are those of the environment without a name. Of a job with a matrix, `matrix` says
    which of its jobs is run.
    """

    github: Mapping[str, str]
    variables: Mapping[str, Mapping[str, str]]
    environ: Mapping[str, str]
    checkout: Path
    folder: Path
    action: Action
    called: Mapping[str, str]
    cancel_in: str | None = None
    matrix: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Job:
    """What became of a job: its steps' outcomes by name, its result, its outputs, what it printed.

    `after` is how the jobs ended that it needed, and those that they needed.
    """

    result: str = "success"
    outcomes: dict[str, str] = field(default_factory=dict)
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    summary: str = ""
    after: frozenset[str] = frozenset()


def run_workflow(text: str, world: World) -> dict[str, Job]:
    """Run all jobs, in their order in the file, and return them by id."""
    workflow = yaml.load(text, Loader=yaml.BaseLoader)
    done: dict[str, Job] = {}
    for name, spec in workflow["jobs"].items():
        if odd := set(spec) - _JOB_KEYS:
            raise UnknownError(f"the job {name} has {odd}")
        if "strategy" in spec and spec["strategy"].get("matrix", {}).keys() != (world.matrix.keys() or None):
            raise UnknownError(f"the matrix of {name} is not {world.matrix}")
        needs = spec.get("needs", [])
        needed = {need: done[need] for need in ([needs] if isinstance(needs, str) else needs)}
        if not _is_wanted(spec.get("if"), needed, world):
            done[name] = Job(result="skipped", outputs=dict.fromkeys(spec.get("outputs", {}), ""))
        elif "uses" in spec:
            done[name] = Job(result=world.called[spec["uses"]])
        else:
            done[name] = _JobRun(workflow, spec, needed, world).run(world.folder / name)
        done[name].after = frozenset().union(*({job.result, *job.after} for job in needed.values()))
    return done


def _is_wanted(condition: str | None, needed: Mapping[str, Job], world: World) -> bool:
    """Say whether a job runs; a condition that asks for no state is tried only where all needed jobs succeeded."""
    before = {job.result for job in needed.values()}.union(*(job.after for job in needed.values()))
    contexts = {"github": world.github, "needs": _context(needed), "vars": world.variables.get("", {})}
    functions: dict[str, Callable[[], bool]] = {
        # A job that was skipped skips those that come after it, also where they do not name it.
        "success": lambda: before <= {"success"},
        "failure": lambda: "failure" in before,
        "cancelled": lambda: "cancelled" in before,
        "always": lambda: True,
    }
    text = (condition or "success()").strip().removeprefix("${{").removesuffix("}}")
    value = bool(evaluate(text, contexts, functions))
    return value and (functions["success"]() or any(f"{name}(" in text for name in functions))


def _context(needed: Mapping[str, Job]) -> dict[str, Any]:
    return {name: {"result": job.result, "outputs": job.outputs} for name, job in needed.items()}


class _Nothing(dict[str, str]):
    """The outputs of a step that was skipped: each is empty."""

    def __contains__(self, _: object) -> bool:
        return True

    def __missing__(self, _: str) -> str:
        return ""


class _JobRun:
    def __init__(self, workflow: dict[str, Any], spec: dict[str, Any], needed: dict[str, Job], world: World) -> None:
        self.spec, self.world, self.job = spec, world, Job()
        self.shell = workflow.get("defaults", {}).get("run", {}).get("shell")
        self.steps: dict[str, dict[str, Any]] = {}
        self.contexts: dict[str, Any] = {
            "github": world.github,
            "needs": _context(needed),
            "steps": self.steps,
            "vars": dict(world.variables.get("", {})),
            "matrix": world.matrix,
        }
        if environment := spec.get("environment"):
            self.contexts["vars"] |= world.variables[self.fill(environment)]
        self.env = self.fill_all(workflow.get("env", {})) | self.fill_all(spec.get("env", {}))

    def fill(self, text: str) -> str:
        return substitute(text, self.contexts)

    def fill_all(self, values: dict[str, str]) -> dict[str, str]:
        return {name: self.fill(value) for name, value in values.items()}

    def run(self, folder: Path) -> Job:
        folder.mkdir()
        self.folder = folder
        for step in self.spec["steps"]:
            if odd := set(step) - _STEP_KEYS:
                raise UnknownError(f"a step has {odd}")
            self.step(step)
        if self.job.result == "success":
            self.job.outputs = self.fill_all(self.spec.get("outputs", {}))
        return self.job

    def step(self, step: dict[str, Any]) -> None:
        outputs: dict[str, str] = {}
        outcome = "skipped"
        if self.wanted(step.get("if", "success()")):
            self.job.log += f"== {step['name']}\n"
            outcome = self.outcome_of(step, outputs)
            if outcome != "success" and step.get("continue-on-error") != "true":
                self.job.result = outcome
        self.job.outcomes[step["name"]] = outcome
        if "id" in step:
            self.steps[step["id"]] = {"outcome": outcome, "outputs": _Nothing() if outcome == "skipped" else outputs}

    def wanted(self, condition: str) -> bool:
        result = self.job.result
        functions: dict[str, Callable[[], bool]] = {
            "success": lambda: result == "success",
            "failure": lambda: result == "failure",
            "cancelled": lambda: result == "cancelled",
            "always": lambda: True,
        }
        value = bool(evaluate(condition, self.contexts, functions))
        # A condition that asks for no state is tried only while all is well.
        return value and (result == "success" or any(f"{name}(" in condition for name in functions))

    def outcome_of(self, step: dict[str, Any], outputs: dict[str, str]) -> str:
        if step["name"] == self.world.cancel_in:
            return "cancelled"
        if "uses" in step:
            self.world.action(step["uses"], self.fill_all(step.get("with", {})), self.spec["permissions"])
            return "success"
        return self.outcome_of_script(step, outputs)

    def outcome_of_script(self, step: dict[str, Any], outputs: dict[str, str]) -> str:
        files = {name: self.folder / name for name in ("GITHUB_OUTPUT", "GITHUB_ENV", "GITHUB_STEP_SUMMARY")}
        for path in files.values():
            path.touch()
        env = {**self.world.environ, "RUNNER_TEMP": str(self.folder), **{k: str(v) for k, v in files.items()}}
        env |= {f"GITHUB_{name.upper()}": value for name, value in self.world.github.items()}
        if self.spec["permissions"].get("id-token") == "write":
            env["ACTIONS_ID_TOKEN_REQUEST_URL"] = "https://token.invalid"
        env |= self.env | self.fill_all(step.get("env", {}))
        script = self.folder / "script.sh"
        script.write_text(self.fill(step["run"]), encoding="utf-8")
        done = subprocess.run(
            [*_SHELLS[self.shell], str(script)], env=env, cwd=self.world.checkout, timeout=60, check=False,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        self.job.log += done.stdout
        self.job.summary += files["GITHUB_STEP_SUMMARY"].read_text(encoding="utf-8")
        outputs |= _pairs(files["GITHUB_OUTPUT"])
        self.env |= _pairs(files["GITHUB_ENV"])
        for path in files.values():
            os.truncate(path, 0)
        return "success" if done.returncode == 0 else "failure"


def _pairs(path: Path) -> dict[str, str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if odd := [line for line in lines if "=" not in line or "<<" in line]:
        raise UnknownError(f"{path.name} holds {odd}")
    return dict(line.split("=", 1) for line in lines)
