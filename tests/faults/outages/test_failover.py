"""A master of Redis that dies under a running ingest, watched by sentinels (row 26)."""

import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis

from tests.faults.lab.lab import Lab, Size, open_watched_lab
from tests.faults.lab.measure import Measures
from tests.fixtures.patience import crowd
from tests.fixtures.servers.servers import Servers
from tests.fixtures.servers.stacks import until

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
    before = until(lambda: ended_chunks(lab, job_id), lambda ended: ended >= 6, within_s=30)
    # Replication is asynchronous: the last writes may be gone with the master.
    lab.forget()
    pid, old = lab.worker.pid, lab.watched.master()
    # A machine that holds both, and that sentinel is the one that each client asks first.
    for lost in (old, lab.watched.sentinels[0]):
        lost.process.kill()
    killed_at = time.monotonic()
    codes = {lab.caller.try_submit(lab.requests.build(2)).code for _ in range(5)}
    until(lambda: ended_chunks(lab, job_id), lambda ended: ended > before, within_s=60)
    resumed_s = time.monotonic() - killed_at
    lab.plan()
    # kombu's own transport would end the worker on it: what guards it is still there.
    lab.redis.lpush("celery:ingest", b"nobody can read this")
    for accepted in (job_id, *(attempt.job_id for attempt in lab.caller.attempts if attempt.job_id)):
        assert lab.caller.wait(accepted)["status"] == "completed"
    assert lab.caller.job(job_id)["progress"]["done"] == 300
    assert codes <= {202, 503}
    assert lab.watched.master() != old
    assert (lab.worker.is_alive, lab.worker.pid) == (True, pid)
    assert resumed_s < RESUMES_WITHIN_S * crowd()
    measure.note(26, "the master of Redis and a sentinel die under an ingest of 300 symbols", resumed_s=resumed_s)


def ended_chunks(lab: Lab, job_id: str) -> int:
    """Return how many chunks of a job have ended, as Redis tells; 0 while it does not."""
    with suppress(redis.RedisError):
        return int(lab.redis.hget(f"ingest:job:{job_id}", "chunks_done") or 0)
    return 0
