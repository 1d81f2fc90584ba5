"""Eight callers who submit, cancel, retry and delete under kills of children, PostgreSQL and Redis (row 31)."""

import time

import pytest

from tests.faults.lab.callers import Crowd, kill_in_turn
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures


@pytest.fixture(scope="module")
def size() -> Size:
    """Two workers, each symbol a chunk, and PostgreSQL the lab's own."""
    return Size(workers=2, chunk_bars=1, has_ledger=True)


# Row 31. That every job is final, its sums are right and no key is left over is the auditor's to find.
@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("for_s", "each"), [(15, 1), pytest.param(100, 5, marks=pytest.mark.full)], ids=["short", "long"]
)
def test_every_job_of_a_crowd_ends_right_under_kills(lab: Lab, measure: Measures, for_s: float, each: int) -> None:
    lab.plan(pace_s=0.2)
    crowd, begun_at = Crowd(lab, seed=20261127), time.monotonic()
    with crowd.calling():
        kill_in_turn(lab, ["child", "ledger", "redis"] * each, for_s=for_s, seed=31)
    assert crowd.done.keys() == {"submitted", "cancelled", "retried", "deleted"}
    measure.note(
        31,
        f"8 callers for {for_s} s, {each} kills each of a pool's child, PostgreSQL and Redis",
        **crowd.done,
        took_s=time.monotonic() - begun_at,
    )
