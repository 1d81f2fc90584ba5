"""Messages that come five times or not at all (rows 13 and 14): a message is a hint."""

import time

import psycopg
import pytest

from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures


@pytest.fixture(scope="module")
def size() -> Size:
    """Many chunks of one symbol: a message each."""
    return Size(chunk_bars=1)


def attempts(lab: Lab, job_ids: list[str]) -> list[int]:
    """Return how often each chunk of some jobs was claimed."""
    with psycopg.connect(lab.database_url) as connection:
        rows = connection.execute("SELECT attempts FROM job_chunks WHERE job_id = ANY(%s)", (job_ids,)).fetchall()
    return [count for (count,) in rows]


# Row 13.
def test_a_message_that_comes_five_times_is_one_chunk(lab: Lab, measure: Measures) -> None:
    lab.plan(copies=5, pace_s=0.05)
    job_ids = [lab.caller.submit(lab.requests.build(12)) for _ in range(4)]
    for job_id in job_ids:
        lab.caller.wait(job_id)
    found = attempts(lab, job_ids)
    assert found == [1] * 48
    measure.note(13, "each message sent five times: each chunk is claimed once", chunks=len(found), claims=sum(found))


# Row 14.
def test_lost_messages_cost_time_and_nothing_else(lab: Lab, measure: Measures) -> None:
    lab.plan(loses=0.1)
    begun_at = time.monotonic()
    job_ids = [lab.caller.submit(lab.requests.build(12)) for _ in range(5)]
    for job_id in job_ids:
        assert lab.caller.wait(job_id, within_s=90)["status"] == "completed"
    took_s = time.monotonic() - begun_at
    # A message, the one sent after it 10 s later, and the third may be lost one after another; a fourth hardly is.
    assert took_s < 45
    assert attempts(lab, job_ids) == [1] * 60
    measure.note(14, "one message in ten lost", jobs=len(job_ids), took_s=took_s)
