"""The workflows pass every checker, and every checker finds faults that are planted for it."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.deploy.workflows.rules import actions_of, faults_of, limits_of
from tests.fixtures.repo.repository import ROOT, load_text

BIN = Path(sys.prefix) / "bin"
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DEPLOY = load_text(".github/workflows/deploy.yml")
DEPENDABOT = load_text(".github/dependabot.yml")
RECORD = "docs/decisions/0029-a-release-is-tried-before-it-is-given-traffic.md"

Checker = Callable[[Path], str]


def said(*argv: str | Path) -> str:
    """Run a checker of the venv; return what it said, or nothing where it found nothing."""
    done = subprocess.run(
        [BIN / argv[0], *argv[1:]], capture_output=True, text=True, timeout=120, check=False, cwd=ROOT
    )
    return done.stdout + done.stderr if done.returncode else ""


def zizmor(path: Path) -> str:
    return said("zizmor", "--offline", "--persona=pedantic", "--strict-collection", "--no-progress", path)


def actionlint(path: Path) -> str:
    return said("actionlint", "-no-color", "-shellcheck", BIN / "shellcheck", path)


def workflow_schema(path: Path) -> str:
    return said("check-jsonschema", "--builtin-schema", "vendor.github-workflows", path)


def dependabot_schema(path: Path) -> str:
    return said("check-jsonschema", "--builtin-schema", "vendor.dependabot", path)


def shellcheck(path: Path) -> str:
    return said("shellcheck", path)


def house(path: Path) -> str:
    return "\n".join(faults_of(path.read_text(encoding="utf-8")))


@pytest.mark.parametrize("checker", [zizmor, actionlint, workflow_schema, house], ids=lambda c: c.__name__)
@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_has_no_fault(workflow: Path, checker: Checker) -> None:
    assert checker(workflow) == ""


@pytest.mark.parametrize("checker", [zizmor, dependabot_schema], ids=lambda c: c.__name__)
def test_dependabot_has_no_fault(checker: Checker) -> None:
    assert checker(ROOT / ".github/dependabot.yml") == ""


@pytest.mark.parametrize(
    "script", [ROOT / "infra/bootstrap.sh", *sorted((ROOT / "infra/deploy").glob("*.sh"))], ids=lambda path: path.name
)
def test_a_script_has_no_fault(script: Path) -> None:
    assert shellcheck(script) == ""
    assert script.stat().st_mode & 0o111
    assert "set -euo pipefail" in script.read_text(encoding="utf-8")


def test_the_workflows_are_those_that_are_known() -> None:
    assert [path.name for path in WORKFLOWS] == ["audit.yml", "ci.yml", "deploy.yml", "release.yml", "terraform.yml"]


#: What a checker must find, by a change of deploy.yml: (what is changed, into what, a word of the finding).
PLANTED: Mapping[Checker, tuple[tuple[str, str, str], ...]] = {
    zizmor: (
        ("  push:\n", "  pull_request_target:\n  push:\n", "dangerous-triggers"),
        ("digest=$(docker", "echo ${{ github.head_ref }}; digest=$(docker", "template-injection"),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7", "unpinned-uses"),
        ("permissions: {}\n\nconcurrency", "permissions: write-all\n\nconcurrency", "excessive-permissions"),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n", "artipacked"),
        ("    runs-on: ubuntu-24.04\n", "    runs-on: ubuntu-24.04\n    container: debian:13\n", "unpinned-images"),
    ),
    actionlint: (
        ("needs.target.outputs.suffix", "needs.target.outputs.sufix", "sufix"),
        ("needs: [target, build, live]", "needs: [target, built, live]", "built"),
        ("steps.live.outputs.api", "steps.alive.outputs.api", "alive"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-24.40", "ubuntu-24.40"),
        ("if: always() &&", "if: alway() &&", "alway"),
        ('execute "$MIGRATE_JOB"', "execute $MIGRATE_JOB", "SC2086"),
    ),
    workflow_schema: (
        ("timeout-minutes: 40", "timeout-minute: 40", "timeout-minute"),
        ("    runs-on: ubuntu-24.04\n", "", "build"),
        ("continue-on-error: true", "continue-on-error: [true]", "continue-on-error"),
        ("jobs:\n", "job:\n", "jobs"),
        ("id-token: write", "id-token: perhaps", "id-token"),
        ("cancel-in-progress: false", "cancel-in-progress: [no]", "cancel-in-progress"),
    ),
    house: (
        ("service_account: kaboom-b", "credentials_json: x\n          service_account: kaboom-b", "credentials_json"),
        ("3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "3d3c42e5aac5ba805825da76410c181273ba90b1", "not pinned"),
        ("permissions: {}\n\nconcurrency", "concurrency", "no permissions"),
        ("    timeout-minutes: 40\n", "", "timeout-minutes"),
        ("id-token: write # for Google\n", "id-token: write\n      actions: write\n", "actions"),
        ('"$SERVICE_URL" "$RELEASE"', '"$SERVICE_URL" "${{ github.event.after }}"', "put together from outside"),
        ("runs-on: ubuntu-24.04", "runs-on: ubuntu-latest", "whatever is newest"),
        ("          persist-credentials: false\n", "          fetch-depth: 1\n", "keeps the token"),
        ("      - name: Install syft\n        uses", "      - uses", "without a name"),
        ("  push:\n", "  workflow_run:\n", "strangers"),
    ),
}  # fmt: skip
CASES = [(checker, *fault) for checker, faults in PLANTED.items() for fault in faults]


@pytest.mark.parametrize(("checker", "old", "new", "word"), CASES, ids=[f"{c.__name__}-{w}" for c, _, _, w in CASES])
def test_a_planted_fault_is_found(checker: Checker, old: str, new: str, word: str, tmp_path: Path) -> None:
    folder = tmp_path / ".github/workflows"
    folder.mkdir(parents=True)
    # actionlint looks at what a job calls.
    shutil.copy(ROOT / ".github/workflows/ci.yml", folder)
    path = folder / "deploy.yml"
    assert old in DEPLOY
    path.write_text(DEPLOY.replace(old, new), encoding="utf-8")
    assert word in checker(path)


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("version: 2\n", "version: 3\n", "version"),
        ("package-ecosystem: docker", "package-ecosystem: dockers", "dockers"),
        ("interval: weekly", "interval: fortnightly", "fortnightly"),
        ("    directory: /api\n", "    directory: [/api]\n", "directory"),
        ("default-days: 7", "default-days: soon", "default-days"),
    ],
)
def test_a_planted_fault_of_dependabot_is_found(old: str, new: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "dependabot.yml"
    path.write_text(DEPENDABOT.replace(old, new), encoding="utf-8")
    assert word in dependabot_schema(path)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("cd $1; rm -r x", "SC2164"),
        ("cp $1 x", "SC2086"),
        ("local x=1", "SC2168"),
        ('for f in $(ls); do echo "$f"; done', "SC2045"),
        ('echo hello | read -r x; echo "$x"', "SC2031"),
    ],
)  # fmt: skip
def test_a_planted_fault_of_a_script_is_found(line: str, code: str, tmp_path: Path) -> None:
    path = tmp_path / "script.sh"
    path.write_text(f"#!/usr/bin/env bash\n{line}\n", encoding="utf-8")
    assert code in shellcheck(path)


def test_no_limit_of_a_job_cuts_the_way_back_off() -> None:
    limit, steps = limits_of(DEPLOY, "deploy")
    assert steps <= limit
    shorter = DEPLOY.replace("timeout-minutes: 130", "timeout-minutes: 60")
    endless = DEPLOY.replace("        timeout-minutes: 25\n", "")
    for planted in (shorter, endless):
        limit, steps = limits_of(planted, "deploy")
        assert steps > limit


def test_the_record_says_where_each_pinned_commit_was_seen() -> None:
    used = set.union(*(actions_of(path.read_text(encoding="utf-8")) for path in WORKFLOWS))
    recorded = dict(re.findall(r"^\| `([\w./-]+)` v[\d.]+ \| `([0-9a-f]{40})` \|", load_text(RECORD), re.MULTILINE))
    assert {action.partition("@")[0]: action.partition("@")[2][:40] for action in used} == recorded


def test_an_action_is_the_same_commit_everywhere() -> None:
    used = set.union(*(actions_of(path.read_text(encoding="utf-8")) for path in WORKFLOWS))
    names = [action.partition("@")[0] for action in used]
    assert len(names) == len(set(names))
