"""Stopping a job at every moment of its life, twice (row 20)."""

import psycopg
import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures


@pytest.fixture(scope="module")
def size() -> Size:
    """One chunk of all symbols of a small job."""
    return Size(chunk_bars=100_000)


# Row 20.
def test_a_queued_job_stops(lab: Lab, measure: Measures) -> None:
    lab.worker.freeze()
    job_id = lab.caller.submit(lab.requests.build(4), ends=["cancelled"])
    took_s = lab.caller.stop(job_id)
    lab.worker.thaw()
    assert lab.caller.job(job_id)["progress"]["done"] == 0
    measure.note(20, "a queued job is cancelled", took_s=took_s)


def test_a_running_job_stops(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(60), ends=["cancelled"])
    wait_in_chunk(lab, job_id)
    took_s = lab.caller.stop(job_id)
    measure.note(20, "a running job is cancelled", took_s=took_s)


def test_a_job_at_its_last_symbol_ends_one_way(lab: Lab) -> None:
    body = lab.requests.build(4)
    lab.plan(slow={body["symbols"][-1]: 3.0})
    job_id = lab.caller.submit(body, ends=["cancelled"])
    wait_in_chunk(lab, job_id, settled=3)
    lab.caller.stop(job_id)
    assert lab.caller.job(job_id)["status"] == "cancelled"


def test_a_job_whose_worker_is_gone_stops_with_its_lease(lab: Lab) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(60), ends=["cancelled"])
    wait_in_chunk(lab, job_id)
    lab.worker.kill()
    lab.caller.stop(job_id, within_s=19)


def test_the_message_of_a_cancelled_job_runs_nothing(lab: Lab) -> None:
    lab.worker.freeze()
    job_id = lab.caller.submit(lab.requests.build(4), ends=["cancelled"])
    lab.caller.stop(job_id)
    lab.worker.thaw()
    lab.caller.wait(lab.caller.submit(lab.requests.build(2)))
    assert lab.caller.job(job_id)["status"] == "cancelled"
    with psycopg.connect(lab.database_url) as connection:
        found = connection.execute("SELECT status, plan FROM jobs WHERE job_id = %s", (job_id,)).fetchall()
    assert found == [("cancelled", None)]
