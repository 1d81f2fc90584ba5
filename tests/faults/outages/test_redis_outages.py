"""Redis that dies, freezes, loses everything or falls back to an earlier state (rows 4, 5, 7 and 24)."""

import time

import httpx2
import psycopg
import pytest

from tests.faults.lab.chunks import running, wait_in_chunk
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.fixtures.jobs.apps import JOBS
from tests.fixtures.patience import crowd
from tests.fixtures.servers.stacks import FINAL, until

FULL = pytest.mark.full


@pytest.fixture(scope="module")
def size() -> Size:
    """Chunks of some three symbols."""
    return Size(chunk_bars=120)


# Row 4, and the crash of a celery 5.7 worker that holds a message while Redis goes away (celery 5.7.0: `AttributeError:
# 'NoneType' object has no attribute 'hostname'`). One task runs, one slot is free, so a worker with late
# acknowledgements or a prefetched message would end here.
# Twenty seconds are more than a lease: it is the worker's all the same, and no try is counted.
@pytest.mark.parametrize("away_s", [3, pytest.param(20, marks=FULL)])
def test_a_worker_outlives_a_killed_redis_and_runs_its_task_once(lab: Lab, measure: Measures, away_s: float) -> None:
    lab.plan(pace_s=1.0)
    job_id = lab.caller.submit(lab.requests.build(6))
    wait_in_chunk(lab, job_id)
    pid = lab.worker.pid
    lab.kill_valkey()
    last(away_s)
    lab.valkey.start()
    begun_at = time.monotonic()
    lab.plan()
    fresh = lab.caller.submit(lab.requests.build(4))
    lab.caller.wait(fresh, within_s=40)
    took_s = time.monotonic() - begun_at
    job = lab.caller.wait(job_id)
    assert lab.worker.is_alive
    assert lab.worker.pid == pid
    assert job["progress"]["done"] == 6
    attempts = lab.redis.hgetall(f"ingest:job:{job_id}:chunks")
    assert {v for k, v in attempts.items() if k.startswith("attempts:") and k != "attempts:plan"} == {"1"}
    assert took_s < 25 * crowd()
    measure.note(
        4, f"a worker that runs a task outlives {away_s:g} s without Redis, and consumes again", again_s=took_s
    )


# Row 5.
def test_a_redis_that_lost_everything_is_rebuilt_from_the_ledger(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    job_ids = [lab.caller.submit(lab.requests.build(18)) for _ in range(3)]
    # Whichever job is first: the more of its chunks have ended, the nearer is an end of the job itself.
    until(lambda: [j for j in job_ids if ended_chunks(lab, j)], bool, within_s=60)
    lab.kill_valkey()
    ended = {job_id: ended_chunks(lab, job_id) for job_id in job_ids}
    lab.empty_valkey()
    lab.valkey.start()
    begun_at = time.monotonic()
    until(lambda: [j for j in job_ids if lab.redis.exists(f"ingest:job:{j}")], lambda f: len(f) == 3, within_s=20)
    rebuilt_s = time.monotonic() - begun_at
    assert rebuilt_s <= 10 * crowd()
    lab.plan()
    for job_id in job_ids:
        lab.caller.wait(job_id)
    for job_id, numbers in ended.items():
        chunks = lab.redis.hgetall(f"ingest:job:{job_id}:chunks")
        assert [n for n in numbers if f"fence:{n}" in chunks] == [], "a finished chunk was claimed again"
    measure.note(5, "unfinished jobs are back in a Redis that lost everything", rebuilt_s=rebuilt_s)


# Row 7.
@pytest.mark.parametrize("frozen_s", [10, pytest.param(30, marks=FULL)])
def test_a_frozen_redis_is_reported_and_got_over(lab: Lab, measure: Measures, frozen_s: float) -> None:
    lab.plan(pace_s=0.5)
    running_id = lab.caller.submit(lab.requests.build(12))
    wait_in_chunk(lab, running_id)
    lab.valkey.freeze()
    begun_at = time.monotonic()
    slowest_s, codes, pings = 0.0, set(), []
    while time.monotonic() - begun_at < frozen_s:
        asked_at = time.monotonic()
        codes.add(lab.caller.try_submit(lab.requests.build(2)).code)
        slowest_s = max(slowest_s, time.monotonic() - asked_at)
        pings += [ping(lab.url()) for _ in range(20)]
    lab.valkey.thaw()
    thawed_at = time.monotonic()
    lab.plan()
    until(lambda: lab.caller.try_submit(lab.requests.build(2)).code, lambda code: code == 202, within_s=25)
    job_id = lab.caller.attempts[-1].job_id
    assert job_id is not None
    lab.caller.wait(job_id, within_s=25)
    again_s = time.monotonic() - thawed_at
    p99_s = sorted(pings)[int(len(pings) * 0.99)]
    assert codes <= {202, 503}
    assert slowest_s <= 7 * crowd()
    # 0.2 s on a quiet machine.
    assert p99_s < 0.5 * crowd()
    assert again_s <= 25 * crowd()
    lab.caller.wait(running_id)
    measure.note(
        7, f"Redis frozen for {frozen_s:g} s", post_slowest_s=slowest_s, healthz_p99_s=p99_s, recovered_s=again_s
    )


# Row 24. What happened after the copy was taken is unknown to Redis and known to the ledger.
def test_a_redis_that_falls_back_five_seconds_contradicts_nobody(lab: Lab, measure: Measures) -> None:
    lab.plan(pace_s=0.5)
    long_id = lab.caller.submit(lab.requests.build(24))
    done_id = lab.caller.submit(lab.requests.build(2))
    wait_in_chunk(lab, long_id)
    # Last, and long enough not to end by itself before it is cancelled.
    stopped_id = lab.caller.submit(lab.requests.build(24), ends=["cancelled"])
    copy = lab.save_valkey()
    last(1)
    lab.plan(pace_s=0.3)
    assert lab.caller.cancel(stopped_id) == 202
    lab.caller.wait(stopped_id, within_s=20)
    lab.caller.wait(done_id, within_s=40)
    late_id = lab.caller.submit(lab.requests.build(4))
    last(2)
    fences = {(r.job_id, r.n): int(r.fence.partition(":")[0]) for r in running(lab)}
    until(lambda: ledger_final(lab, stopped_id, done_id), bool, within_s=10)
    lab.kill_valkey()
    lab.roll_back_valkey(copy)
    lab.valkey.start()
    lab.plan()
    for job_id in (long_id, late_id):
        lab.caller.wait(job_id)
    for (job_id, n), fence in fences.items():
        now = lab.redis.hget(f"ingest:job:{job_id}:chunks", f"fence:{n}")
        assert now is None or int(now.partition(":")[0]) >= fence
    until(lambda: lab.caller.job(stopped_id)["status"], lambda status: status == "cancelled", within_s=30)
    assert lab.caller.job(done_id)["status"] == "completed"
    measure.note(24, "Redis falls back to an earlier state: no job lost, none ends twice", jobs=4)


def ping(url: str) -> float:
    """Return how long `/healthz` takes, in seconds."""
    begun_at = time.monotonic()
    assert httpx2.get(f"{url}/healthz", timeout=5, trust_env=False).status_code == 200
    return time.monotonic() - begun_at


def ledger_final(lab: Lab, *job_ids: str) -> bool:
    """Return whether the ledger knows of the end of jobs."""
    items = lab.caller.http.get(f"{JOBS}?limit=200").json()["items"]
    return {i["job_id"] for i in items if i["status"] in FINAL} >= set(job_ids)


def ended_chunks(lab: Lab, job_id: str) -> list[str]:
    """Return the chunks of a job whose end is in the ledger."""
    with psycopg.connect(lab.database_url) as connection:
        rows = connection.execute("SELECT n FROM job_chunks WHERE job_id = %s AND state = 'done'", (job_id,))
        return [str(n) for (n,) in rows]
