"""Stopping a job at every moment of its life, twice (row 20)."""

import time

import psycopg
import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures

#: The next beat comes 5 s later at worst.
WITHIN_S = 8.0


@pytest.fixture(scope="module")
def size() -> Size:
    """One chunk of all symbols of a small job."""
    return Size(chunk_bars=100_000)


def stop(lab: Lab, job_id: str, *, within_s: float = WITHIN_S) -> float:
    """Cancel a job twice, wait for its end, and return how long that took."""
    begun_at = time.monotonic()
    assert lab.caller.cancel(job_id) == 202
    assert lab.caller.cancel(job_id) in {202, 409}
    job = lab.caller.wait(job_id, within_s=30)
    took_s = time.monotonic() - begun_at
    assert took_s <= within_s
    assert job["status"] == "cancelled"
    return took_s


# Row 20.
def test_a_queued_job_stops(lab: Lab, measure: Measures) -> None:
    lab.worker.freeze()
    job_id = lab.caller.submit(lab.requests.build(4), ends=["cancelled"])
    took_s = stop(lab, job_id)
    lab.worker.thaw()
    assert lab.caller.job(job_id)["progress"]["done"] == 0
    measure.note(20, "a queued job is cancelled", took_s=took_s)


def test_a_running_job_stops(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(60), ends=["cancelled"])
    wait_in_chunk(lab, job_id)
    took_s = stop(lab, job_id)
    measure.note(20, "a running job is cancelled", took_s=took_s)


def test_a_job_at_its_last_symbol_ends_one_way(lab: Lab) -> None:
    body = lab.requests.build(4)
    lab.plan(slow={body["symbols"][-1]: 3.0})
    job_id = lab.caller.submit(body, ends=["cancelled"])
    wait_in_chunk(lab, job_id, settled=3)
    stop(lab, job_id)
    assert lab.caller.job(job_id)["status"] == "cancelled"


def test_a_job_whose_worker_is_gone_stops_with_its_lease(lab: Lab) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(60), ends=["cancelled"])
    wait_in_chunk(lab, job_id)
    lab.worker.kill()
    stop(lab, job_id, within_s=19)


def test_the_message_of_a_cancelled_job_runs_nothing(lab: Lab) -> None:
    lab.worker.freeze()
    job_id = lab.caller.submit(lab.requests.build(4), ends=["cancelled"])
    stop(lab, job_id)
    lab.worker.thaw()
    lab.caller.wait(lab.caller.submit(lab.requests.build(2)))
    assert lab.caller.job(job_id)["status"] == "cancelled"
    with psycopg.connect(lab.database_url) as connection:
        found = connection.execute("SELECT status, plan FROM jobs WHERE job_id = %s", (job_id,)).fetchall()
    assert found == [("cancelled", None)]
