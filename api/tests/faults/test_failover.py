"""A master of Redis that dies under a running ingest, watched by sentinels (row 26)."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from tests.faults.lab.lab import Lab, Size, open_watched_lab
from tests.faults.lab.measure import Measures
from tests.fixtures.servers import Servers
from tests.fixtures.stacks import until

#: Of the promise.
RESUMES_WITHIN_S = 20.0


@pytest.fixture(scope="module")
def running_lab(servers: Servers) -> Iterator[Lab]:
    """A lab of a master, two replicas and three sentinels; chunks of some three symbols."""
    with open_watched_lab(servers, Size(chunk_bars=60)) as lab:
        yield lab


def test_an_ingest_goes_on_through_a_failover(lab: Lab, measure: Measures) -> None:
    assert lab.watched
    lab.plan(pace_s=0.1)
    job_id = lab.caller.submit(lab.requests.build(300))
    before = until(lambda: ended_chunks(lab, job_id), lambda ended: ended >= 10, within_s=30)
    # Replication is asynchronous: the last writes may be gone with the master.
    lab.forget()
    old = lab.watched.master()
    pid = lab.worker.pid
    old.process.kill()
    killed_at = time.monotonic()
    # The ledger has what was accepted in between.
    codes = {lab.caller.try_submit(lab.requests.build(2)).code for _ in range(5)}
    until(lambda: ended_chunks(lab, job_id), lambda ended: ended > before, within_s=60)
    resumed_s = time.monotonic() - killed_at
    lab.plan()
    job = lab.caller.wait(job_id)
    assert (job["status"], job["progress"]["done"]) == ("completed", 300)
    for attempt in lab.caller.attempts:
        assert attempt.job_id is None or lab.caller.wait(attempt.job_id)["status"] == "completed"
    assert codes <= {202, 503}
    assert lab.watched.master() != old
    assert lab.worker.pid == pid
    assert lab.worker.is_alive
    assert resumed_s < RESUMES_WITHIN_S
    measure.note(26, "the master of Redis dies under an ingest of 300 symbols", resumed_s=resumed_s)


def ended_chunks(lab: Lab, job_id: str) -> int:
    """Return how many chunks of a job have ended, as Redis tells; 0 while it does not."""
    with suppress(redis.RedisError):
        return int(lab.redis.hget(f"ingest:job:{job_id}", "chunks_done") or 0)
    return 0
