"""A Redis without memory left, and one that would evict (rows 15 and 16)."""

import time

import pytest

from tests.faults.lab.chunks import wait_in_chunk
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.servers.stacks import until


@pytest.fixture(scope="module")
def size() -> Size:
    """Chunks of some three symbols."""
    return Size(chunk_bars=120)


# Row 15. At the limit a worker of Celery may end: it is started again, as its platform does.
def test_a_full_redis_loses_no_accepted_job(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.3)
    running_id = lab.caller.submit(lab.requests.build(12))
    wait_in_chunk(lab, running_id)
    lab.redis.config_set("maxmemory", 1)
    answers = []
    for _ in range(5):
        answers.append(lab.caller.try_submit(lab.requests.build(2)))
        last(1)
    assert {answer.code for answer in answers} <= {202, 503}
    assert lab.caller.http.get("/healthz").status_code == 200
    lab.redis.config_set("maxmemory", 0)
    begun_at = time.monotonic()
    lab.heal()
    for job_id in [running_id, *(answer.job_id for answer in answers if answer.job_id)]:
        assert lab.caller.wait(job_id, within_s=90)["status"] == "completed"
    took_s = time.monotonic() - begun_at
    accepted = sum(answer.code == 202 for answer in answers)
    measure.note(15, "Redis at its memory limit for 5 s", accepted=accepted, refused=5 - accepted, finished_s=took_s)


# Row 16.
@pytest.mark.parametrize("part", ["api", "worker"])
def test_a_redis_that_would_evict_is_refused_at_the_start(lab: Lab, measure: Measures, part: str) -> None:
    process = lab.api if part == "api" else lab.worker
    process.stop()
    lab.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        process.spawn()
        until(lambda: process.is_alive, lambda alive: not alive, within_s=40)
        assert process.exit_code not in {0, None}
        assert "maxmemory-policy of Redis was allkeys-lru, expected noeviction" in process.last_words()
    finally:
        lab.redis.config_set("maxmemory-policy", "noeviction")
    measure.note(16, f"the {part} does not start on a Redis that would evict", refused=1)


def test_a_redis_that_does_not_tell_is_taken_on_trust(lab: Lab) -> None:
    lab.api.stop()
    # As managed services do: CONFIG is no command there.
    lab.redis.acl_setuser("default", enabled=True, commands=["-config"])
    try:
        lab.api.start()
    finally:
        allow_config(lab)
    assert "eviction_unknown" in lab.api.last_words()


def allow_config(lab: Lab) -> None:
    """Give the command back; a connection that lacks it may still give itself more."""
    lab.redis.acl_setuser("default", enabled=True, commands=["+config"])
