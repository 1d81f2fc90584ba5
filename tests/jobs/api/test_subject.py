"""What tells a job from others of its task, in lists, too."""

from typing import Any

import pytest

from kaboom.dashboard.job_rows import JobRow
from kaboom.jobs.api.subject import Subject, subject_of
from kaboom.jobs.api.view import view_job
from kaboom.jobs.model import Job, JobStatus
from kaboom.web.auth.scopes import Scope


def make_job(request: dict[str, Any], result: dict[str, Any] | None = None) -> Job:
    return Job(
        job_id="0" * 32, queue="backtest", task="backtest.run", owner="o", status=JobStatus.COMPLETED,
        request=request, result=result,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("request_", "result", "subject"),
    [
        ({"market": "TSE_PRIME"}, {"provider": "synthetic"}, Subject(provider="synthetic")),
        ({"tags": ["october", "x"]}, None, Subject(tags=["october", "x"])),
        (
            {"symbols": ["7203", "6758", "9984", "1301"], "provider": "file"},
            {"provider": "synthetic"},
            Subject(symbols=["7203", "6758", "9984"], symbol_count=4, provider="file"),
        ),
        (
            {"strategy": "sma_cross", "symbols": ["7203"]},
            {"parameters": {"slow": 20, "fast": 10, "side": None}, "interval": "1d"},
            Subject(
                strategy="sma_cross", parameters={"slow": 20, "fast": 10}, symbols=["7203"], symbol_count=1,
                interval="1d",
            ),
        ),
        # The best of a sweep is its result, not what it is about.
        (
            {"strategy": "sma_cross", "parameters": {"fast": [5, 10], "slow": 20}},
            {"parameters": {"fast": 5, "slow": 20}},
            Subject(strategy="sma_cross", parameters={"slow": 20}),
        ),
        ({"kind": "technical", "symbols": None, "strategy": ["x"]}, None, Subject(kind="technical")),
    ],
)  # fmt: skip
def test_a_subject_is_what_was_asked_for_or_used(
    request_: dict[str, Any], result: dict[str, Any] | None, subject: Subject
) -> None:
    assert subject_of(make_job(request_, result)) == subject


def test_parameters_are_in_the_order_of_the_strategy() -> None:
    job = make_job({"strategy": "sma_cross", "parameters": {"slow": 120, "weight": 0.5, "fast": 10}})
    assert JobRow(view_job(job, workers=[])).parameters == "10/120"
    own = make_job({"strategy": "mine", "parameters": {"slow": 120, "fast": 10}})
    assert JobRow(view_job(own, workers=[])).parameters == "120/10"


def test_who_lacks_a_scope_sees_no_subject() -> None:
    job = make_job({"strategy": "sma_cross", "symbols": ["7203"]}, {"provider": "synthetic"})
    assert view_job(job, workers=[], lacks=[Scope.PORTFOLIOS_READ]).subject == Subject()
