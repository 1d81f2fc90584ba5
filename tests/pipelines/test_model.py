"""The order of steps, and what becomes of a step after the end of its needs."""

from dataclasses import replace
from datetime import date

import pytest

from kaboom.jobs.model import JobStatus
from kaboom.pipelines.checks import sort_steps
from kaboom.pipelines.marks import fill_session
from kaboom.pipelines.model import (
    JobEnd,
    On,
    PipelineRun,
    Step,
    StepState,
    StepStatus,
    is_ready,
    judge_step,
    note_ends,
    renew,
    sum_up,
)

DAY = date(2025, 11, 4)


def run_of(*steps: Step, status: JobStatus = JobStatus.RUNNING, **states: StepStatus) -> PipelineRun:
    """Return a run in which these steps have these states, each with a job."""
    found = {name: StepState(each, None if each is StepStatus.WAITING else name * 3) for name, each in states.items()}
    return PipelineRun("r" * 32, "p", "morning", "me", DAY, steps, found, status=status)


def test_steps_are_sorted_after_their_needs() -> None:
    steps = [Step("c", "t.t", needs=("b",)), Step("b", "t.t", needs=("a",)), Step("a", "t.t"), Step("d", "t.t")]
    ordered, circle = sort_steps(steps)
    assert ([step.name for step in ordered], circle) == (["a", "d", "b", "c"], [])


def test_a_circle_is_named_with_what_waits_for_it() -> None:
    steps = [
        Step("a", "t.t", needs=("b",)),
        Step("b", "t.t", needs=("a",)),
        Step("c", "t.t", needs=("b",)),
        Step("d", "t.t"),
    ]
    assert sort_steps(steps)[1] == ["a", "b", "c"]


def test_the_session_is_filled_in_at_every_depth() -> None:
    params = {"session": "{session}", "deep": [{"as_of": "{session}T15:30"}], "n": 1}
    assert fill_session(params, DAY) == {"session": "2025-11-04", "deep": [{"as_of": "2025-11-04T15:30"}], "n": 1}


@pytest.mark.parametrize(
    ("on", "end", "runs"),
    [
        (On.COMPLETED, StepStatus.COMPLETED, True), (On.COMPLETED, StepStatus.PARTIAL, False),
        (On.PARTIAL, StepStatus.COMPLETED, True), (On.PARTIAL, StepStatus.PARTIAL, True),
        (On.PARTIAL, StepStatus.FAILED, False), (On.PARTIAL, StepStatus.SKIPPED, False),
        (On.ANY, StepStatus.FAILED, True), (On.ANY, StepStatus.SKIPPED, True),
        (On.COMPLETED, StepStatus.CANCELLED, False),
    ],
)  # fmt: skip
def test_a_step_runs_on_the_ends_that_it_accepts(on: On, end: StepStatus, runs: bool) -> None:  # noqa: FBT001
    step = Step("b", "t.t", needs=("a",), on=on)
    run = run_of(Step("a", "t.t"), step, a=end, b=StepStatus.WAITING)
    judged = judge_step(step, run)
    assert is_ready(step, run) is runs
    assert (judged is None) is runs
    if judged:
        assert (judged.status, judged.reason) == (StepStatus.SKIPPED, f"a was {end}, and the step runs on {on}")


def test_a_step_waits_for_all_its_needs() -> None:
    step = Step("c", "t.t", needs=("a", "b"), on=On.ANY)
    run = run_of(step, a=StepStatus.COMPLETED, b=StepStatus.RUNNING, c=StepStatus.WAITING)
    assert (judge_step(step, run), is_ready(step, run)) == (None, False)


def test_waiting_steps_of_a_cancelled_run_are_cancelled() -> None:
    step = Step("b", "t.t", needs=("a",))
    run = run_of(step, status=JobStatus.CANCELLING, a=StepStatus.RUNNING, b=StepStatus.WAITING)
    judged = judge_step(step, run)
    assert judged is not None
    assert judged.status is StepStatus.CANCELLED


def test_a_job_that_was_deleted_has_failed() -> None:
    run = note_ends(run_of(Step("a", "t.t"), a=StepStatus.RUNNING), {})
    assert (run.states["a"].status, run.states["a"].reason) == (StepStatus.FAILED, "job aaa was deleted")


def test_a_step_says_what_its_job_says_of_a_failure() -> None:
    end = JobEnd.of(JobStatus.FAILED, None, {"type": "InvalidRequest", "message": "no daily bars are held"})
    run = note_ends(run_of(Step("a", "t.t"), a=StepStatus.RUNNING), {"aaa": end})
    assert (run.states["a"].status, run.states["a"].reason) == (StepStatus.FAILED, "no daily bars are held")


@pytest.mark.parametrize(
    ("a", "b", "status"),
    [
        (StepStatus.COMPLETED, StepStatus.COMPLETED, JobStatus.COMPLETED),
        (StepStatus.PARTIAL, StepStatus.SKIPPED, JobStatus.PARTIAL),
        (StepStatus.FAILED, StepStatus.SKIPPED, JobStatus.FAILED),
        (StepStatus.COMPLETED, StepStatus.WAITING, JobStatus.RUNNING),
    ],
)
def test_a_run_ends_as_its_steps_did(a: StepStatus, b: StepStatus, status: JobStatus) -> None:
    assert sum_up(run_of(a=a, b=b)) is status


def test_a_cancelled_run_ends_with_its_last_job() -> None:
    run = run_of(status=JobStatus.CANCELLING, a=StepStatus.COMPLETED, b=StepStatus.CANCELLED)
    assert sum_up(run) is JobStatus.CANCELLED
    assert (
        sum_up(replace(run, states={**run.states, "b": StepState(StepStatus.CANCELLING, "b")})) is JobStatus.CANCELLING
    )


def test_a_retry_leaves_completed_steps_alone() -> None:
    run = run_of(status=JobStatus.PARTIAL, a=StepStatus.COMPLETED, b=StepStatus.PARTIAL, c=StepStatus.SKIPPED)
    again = renew(run, {"b": {"only": 1}})
    assert again.states["a"] == run.states["a"]
    assert again.states["b"] == StepState(earlier=("bbb",), request={"only": 1})
    assert (again.states["c"].status, again.status) == (StepStatus.WAITING, JobStatus.QUEUED)
