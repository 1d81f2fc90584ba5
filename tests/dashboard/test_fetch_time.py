"""What a backfill takes, and the strip of a symbol's coverage; pure."""

from typing import Any

import pytest

from kaboom.dashboard.job_rows import estimate_s
from kaboom.jobs.api.view import JobView, Progress
from kaboom.market_data.page.symbol import build_strip
from kaboom.market_data.schemas import JudgedCell
from kaboom.web.routers import example_of


def job(seconds: int, total: int = 100, provider: str = "yahoo", interval: str = "1m", **values: Any) -> JobView:
    known = {
        "result": {"provider": provider},
        "intervals": {interval: 1},
        "progress": example_of(Progress) | {"total": total},
        "started_at": "2025-11-04T07:00:00Z",
        "completed_at": f"2025-11-04T07:{seconds // 60:02}:{seconds % 60:02}Z",
    }
    return JobView.model_validate(example_of(JobView) | known | values)


def test_a_range_is_judged_by_like_jobs() -> None:
    jobs = [job(100), job(200), job(1, provider="synthetic"), job(1, interval="1d"), job(1, total=3)]
    found = estimate_s(jobs, provider="yahoo", interval="1m", symbols=50)
    assert found == pytest.approx((40, 125))


def test_no_estimate_without_a_similar_job() -> None:
    jobs = [job(1, total=3), job(9, started_at=None), job(9, result=None)]
    assert estimate_s(jobs, provider="yahoo", interval="1m", symbols=50) is None


def test_sessions_in_one_state_are_one_run() -> None:
    known = example_of(JudgedCell)
    cells = [
        JudgedCell.model_validate(known | {"session": f"2025-11-0{day}", "state": state})
        for day, state in ((7, "missing"), (6, "complete"), (5, "complete"))
    ]
    old, new = build_strip(cells)
    assert (old.state, old.first.day, old.last.day, old.count, old.x) == ("complete", 5, 6, 2, 0)
    assert new.state == "missing"
    assert new.x + new.width == pytest.approx(100, abs=0.01)
    assert build_strip([]) == []
