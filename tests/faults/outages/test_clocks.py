"""Clocks that are two hours wrong, one ahead and one behind (row 12); the lab cannot skew Redis and PostgreSQL."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.faults.lab.chunks import claimed_at_ms, wait_claimed_again, wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.patience import crowd

SKEW_S = 7200.0


@pytest.fixture(
    scope="module",
    params=[SKEW_S, pytest.param(-SKEW_S, marks=pytest.mark.full)],
    ids=["api_ahead", "api_behind"],
)
def size(request: pytest.FixtureRequest) -> Size:
    """The workers are as wrong as the API, the other way."""
    return Size(workers=2, chunk_bars=240, api_skew_s=request.param, worker_skew_s=-request.param)


# Row 12.
def test_a_wrong_clock_changes_nothing(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    begun = datetime.now(UTC)
    job_id = lab.caller.submit(lab.requests.build(24))
    was = wait_in_chunk(lab, job_id)
    assert lab.caller.job(job_id)["health"] == "ok"
    worker = next(w for w in lab.workers if was.pid in w.children())
    killed_ms = lab.now_ms()
    worker.kill()
    lab.plan()
    back_s = (claimed_at_ms(wait_claimed_again(lab, was, within_s=30)) - killed_ms) / 1000
    assert 10 < back_s <= 19 * crowd()
    job = lab.caller.wait(job_id)
    for name in ("requested_at", "started_at", "completed_at"):
        assert timedelta() <= datetime.fromisoformat(job[name]) - begun + timedelta(seconds=1) < timedelta(minutes=2)
    measure.note(12, "clocks of API and workers two hours wrong, in opposite ways", back_s=back_s)
