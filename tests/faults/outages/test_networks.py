"""Connections that are cut, go half-open, or lose an answer between a worker, the API and Redis (rows 6 and 23)."""

import time

import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.faults import last, script_sha
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import until


@pytest.fixture(scope="module")
def size() -> Size:
    """Chunks of some three symbols."""
    return Size(chunk_bars=120)


# Row 6.
@pytest.mark.parametrize("rounds", [8, pytest.param(30, marks=pytest.mark.full)])
def test_connections_cut_each_second_double_nothing(lab: Lab, measure: Measures, rounds: int) -> None:
    lab.plan(pace_s=0.2)
    job_ids = []
    cut = 0
    for _ in range(rounds):
        attempt = lab.caller.try_submit(lab.requests.build(6))
        job_ids += [attempt.job_id] if attempt.job_id else []
        last(1)
        cut += lab.redis.client_kill_filter(_type="normal", skipme=True)
    assert cut > rounds
    assert len(job_ids) > rounds / 2
    for job_id in job_ids:
        assert lab.caller.wait(job_id)["status"] == "completed"
    measure.note(6, f"every connection to Redis cut each second for {rounds} s", connections_cut=cut, jobs=len(job_ids))


# Row 23. Without root no packet filter: the proxy keeps both sides open and passes nothing more between them.
def test_half_open_connections_are_noticed(lab: Lab, measure: Measures) -> None:
    assert lab.worker_link.strand() > 0
    begun_at = time.monotonic()
    job_id = lab.caller.submit(lab.requests.build(4))
    until(lambda: lab.caller.job(job_id)["status"], lambda status: status != "queued", within_s=40)
    took_s = time.monotonic() - begun_at
    assert took_s <= 25 * crowd()
    lab.caller.wait(job_id, within_s=60)
    measure.note(23, "a worker whose connections went half-open consumes again", again_s=took_s)


# A script that was carried out and whose answer never came is sent again by the driver.
@pytest.mark.parametrize("script", ["claim", "set_plan", "beat", "end"])
def test_a_lost_answer_costs_the_worker_no_attempt(lab: Lab, script: str) -> None:
    lab.caller.wait(lab.caller.submit(lab.requests.build(2)))
    lab.plan(pace_s=1.0 if script == "beat" else 0.0)
    lab.worker_link.swallows = script_sha(script)
    begun_at = time.monotonic()
    job_id = lab.caller.submit(lab.requests.build(3))
    job = lab.caller.wait(job_id, within_s=40)
    assert lab.worker_link.swallows is None
    assert job["status"] == "completed"
    assert time.monotonic() - begun_at < 12
    chunks = lab.redis.hgetall(f"ingest:job:{job_id}:chunks")
    assert {n for name, n in chunks.items() if name.startswith("attempts:")} == {"1"}


def test_a_lost_answer_to_the_api_accepts_no_job_twice(lab: Lab) -> None:
    lab.caller.wait(lab.caller.submit(lab.requests.build(2)))
    lab.api_link.swallows = script_sha("put")
    job_id = lab.caller.submit(lab.requests.build(3))
    assert lab.api_link.swallows is None
    lab.caller.wait(job_id, within_s=30)


def test_a_partition_between_workers_and_redis_is_got_over(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_id = lab.caller.submit(lab.requests.build(12))
    wait_in_chunk(lab, job_id)
    lab.worker_link.hold()
    last(8)
    lab.worker_link.heal()
    lab.plan()
    begun_at = time.monotonic()
    job = lab.caller.wait(job_id, within_s=60)
    assert job["status"] == "completed"
    until(lambda: lab.redis.zcard("kaboom:workers"), bool, within_s=20)
    measure.note("23b", "workers cut off from Redis for 8 s", finished_s=time.monotonic() - begun_at)
