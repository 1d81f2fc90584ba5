"""The runner does as GitHub does where deploy.yml relies on it, and stops at what it does not know."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.workflows.expressions import UnknownError, evaluate, substitute
from tests.deploy.workflows.runner import Job, World, run_workflow

GITHUB = {"ref_name": "main"}
CONTEXTS = {"needs": {"a": {"outputs": {"x-y": "1"}}}, "github": GITHUB, "vars": {}}
HEAD = "permissions: {}\njobs:\n"


def run(text: str, folder: Path, **more: Any) -> dict[str, Job]:
    """Run a workflow of a few lines."""

    def act(uses: str, inputs: dict[str, str], permissions: Mapping[str, str]) -> None:
        assert uses == "known@1"

    given = {"cancel_in": None, "called": {}, "variables": {"production": {"NAME": "kaboom"}}} | more
    environ = {"PATH": os.environ["PATH"]}
    return run_workflow(text, World(GITHUB, environ=environ, checkout=folder, folder=folder, action=act, **given))


def job(*steps: str, head: str = "") -> str:
    """Return a workflow of one job, from its steps' lines."""
    lines = "".join("      - " + "\n        ".join(step.splitlines()) + "\n" for step in steps)
    return f"{head}{HEAD}  only:\n    permissions: {{}}\n    steps:\n{lines}"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("github.ref_name == 'main' && 'p' || 's'", "p"),
        ("github.ref_name != 'main' && 'p' || 's'", "s"),
        ("needs.a.outputs.x-y", "1"),
        ("!(github.ref_name == 'x')", True),
        ("'it''s'", "it's"),
        ("(failure() || cancelled()) && github.ref_name == 'main'", True),
    ],
)
def test_an_expression_has_its_value(text: str, value: object) -> None:
    assert evaluate(text, CONTEXTS, {"failure": lambda: False, "cancelled": lambda: True}) == value


@pytest.mark.parametrize(
    "text",
    [
        "needs.b.outputs.x", "needs.a.outputs.x", "vars.X", "failure()", "github.ref_name == 'main' || needs.b",
        "github.ref_name ==", "(github.ref_name", "github.ref_name 'x'", "toJSON(github)", "github.ref_name ~ 'x'", "",
    ],
)  # fmt: skip
def test_what_is_not_known_is_an_error(text: str) -> None:
    with pytest.raises(UnknownError):
        evaluate(text, CONTEXTS)


def test_values_are_put_in_their_places() -> None:
    assert substitute("a${{ needs.a.outputs.x-y }}-${{ github.ref_name == 'main' }}", CONTEXTS) == "a1-true"


def test_outputs_and_environment_go_on_to_later_steps(tmp_path: Path) -> None:
    text = job(
        'name: first\nid: first\nrun: |\n  echo a=1 >> "$GITHUB_OUTPUT"\n  echo "B=2" >> "$GITHUB_ENV"',
        'name: second\nenv:\n  A: ${{ steps.first.outputs.a }}\nrun: test "$A$B" = 12',
        'name: third\nenv:\n  B: "3"\nrun: test "$A$B" = 3',
    )
    assert run(text, tmp_path)["only"].outcomes == {"first": "success", "second": "success", "third": "success"}


def test_a_failure_in_a_pipe_counts_only_where_the_shell_is_named(tmp_path: Path) -> None:
    step = "name: pipe\nrun: false | true"
    assert run(job(step), tmp_path)["only"].result == "success"
    (tmp_path / "b").mkdir()
    named = job(step, head="defaults:\n  run:\n    shell: bash\n")
    assert run(named, tmp_path / "b")["only"].result == "failure"


def test_after_a_failure_run_those_that_ask_for_it(tmp_path: Path) -> None:
    text = job(
        "name: bad\nid: bad\nrun: exit 1",
        "name: plain\nid: plain\nrun: 'true'",
        "name: asks nothing\nif: steps.bad.outcome == 'failure'\nrun: 'true'",
        "name: failure\nif: failure() && steps.bad.outcome != 'skipped'\nrun: 'true'",
        "name: not reached\nif: failure() && steps.plain.outcome != 'skipped'\nrun: 'true'",
        "name: cancelled\nif: cancelled()\nrun: 'true'",
        "name: always\nif: always()\nrun: 'true'",
    )
    done = run(text, tmp_path)["only"]
    skipped = ["plain", "asks nothing", "not reached", "cancelled"]
    assert [name for name, outcome in done.outcomes.items() if outcome == "skipped"] == skipped
    assert done.result == "failure"


def test_who_cancels_ends_the_step_and_those_after_it(tmp_path: Path) -> None:
    text = job("name: long\nrun: 'true'", "name: plain\nrun: 'true'", "name: back\nif: cancelled()\nrun: 'true'")
    done = run(text, tmp_path, cancel_in="long")["only"]
    assert done.outcomes == {"long": "cancelled", "plain": "skipped", "back": "success"}
    assert done.result == "cancelled"


def test_a_step_may_fail_where_it_says_so(tmp_path: Path) -> None:
    text = job("name: bad\ncontinue-on-error: true\nrun: exit 1", "name: next\nrun: 'true'")
    assert run(text, tmp_path)["only"].outcomes == {"bad": "failure", "next": "success"}


def test_jobs_wait_for_their_needs_and_read_their_outputs(tmp_path: Path) -> None:
    text = HEAD + (
        "  called:\n    uses: $/ci.yml\n    permissions: {}\n"
        "  first:\n    permissions: {}\n    environment: production\n    outputs:\n      x: ${{ steps.s.outputs.x }}\n"
        "    steps:\n      - name: s\n        id: s\n        env: {NAME: '${{ vars.NAME }}'}\n"
        '        run: echo "x=$NAME" >> "$GITHUB_OUTPUT"\n'
        "  second:\n    permissions: {}\n    needs: [called, first]\n    steps:\n      - name: s\n"
        "        env: {X: '${{ needs.first.outputs.x }}'}\n        run: test \"$X\" = kaboom\n"
    )
    results = run(text, tmp_path, called={"$/ci.yml": "success"})
    assert [j.result for j in results.values()] == ["success", "success", "success"]
    (tmp_path / "b").mkdir()
    results = run(text, tmp_path / "b", called={"$/ci.yml": "failure"})
    assert [j.result for j in results.values()] == ["failure", "success", "skipped"]


def test_a_skipped_job_skips_what_comes_after_it_unless_that_asks(tmp_path: Path) -> None:
    plain = "    permissions: {}\n    steps:\n      - name: s\n        run: 'true'\n"
    text = HEAD + (
        f"  skipped:\n    if: github.ref_name == 'staging'\n{plain}"
        f"  asks:\n    needs: skipped\n    if: ${{{{ !failure() && !cancelled() }}}}\n{plain}"
        f"  plain:\n    needs: asks\n{plain}"
        f"  looks:\n    needs: asks\n    if: ${{{{ !cancelled() && needs.asks.result == 'success' }}}}\n{plain}"
        f"  misspelt:\n    needs: asks\n    if: ${{{{ !cancelled() && needs.asks.result == 'succes' }}}}\n{plain}"
    )
    results = [j.result for j in run(text, tmp_path).values()]
    assert results == ["skipped", "success", "skipped", "success", "skipped"]


def test_a_skipped_step_has_empty_outputs(tmp_path: Path) -> None:
    text = job(
        "name: one\nid: one\nif: github.ref_name == 'staging'\nrun: 'true'",
        'name: two\nid: two\nrun: echo x=2 >> "$GITHUB_OUTPUT"',
        'name: three\nenv:\n  X: ${{ steps.one.outputs.x || steps.two.outputs.x }}\nrun: test "$X" = 2',
    )
    assert run(text, tmp_path)["only"].result == "success"


@pytest.mark.parametrize(
    "text",
    [
        job("name: odd\nshel: bash\nrun: 'true'"),
        job("name: other\nrun: 'true'").replace("  only:\n", "  only:\n    strategy: {}\n"),
        job('name: out\nid: out\nrun: echo nonsense >> "$GITHUB_OUTPUT"'),
        job("name: vars\nenv:\n  X: ${{ vars.NAME }}\nrun: 'true'"),
        job("name: state\nif: unsuccessful()\nrun: 'true'"),
    ],
)  # fmt: skip
def test_a_workflow_that_is_not_understood_is_not_run_through(text: str, tmp_path: Path) -> None:
    with pytest.raises(UnknownError):
        run(text, tmp_path)
