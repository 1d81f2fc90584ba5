"""Many jobs under many kills in one run, and a long one of all faults at random (row 25)."""

import os
import random
import signal
import time
from collections.abc import Callable
from statistics import mean

import pytest

from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.faults.lab.storm import Plan, Watch, kill_redis, kill_worker, rage, submitting

SOAK_S = float(os.environ.get("KABOOM_FAULTS_SOAK_S", "300"))
SMALL = Plan(jobs=60, worker_kills=4, redis_kills=1, seed=20261125, job_every_s=0.1)
BIG = Plan(jobs=1000, worker_kills=50, redis_kills=10, seed=20261125, job_every_s=0.15)


@pytest.fixture(scope="module")
def size() -> Size:
    """Three workers, so that one is always there; each symbol is a chunk."""
    return Size(workers=3, chunk_bars=1)


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("plan", [SMALL, pytest.param(BIG, marks=pytest.mark.full)], ids=["small", "big"])
def test_every_job_ends_right_whatever_dies(lab: Lab, measure: Measures, plan: Plan) -> None:
    lab.plan(pace_s=0.1)
    begun_at, before = time.monotonic(), len(lab.caller.attempts)
    toll = rage(lab, plan)
    assert (toll.worker_kills, toll.redis_kills) == (plan.worker_kills, plan.redis_kills)
    job_ids = {attempt.job_id for attempt in lab.caller.attempts[before:] if attempt.job_id}
    assert len(job_ids) >= plan.jobs
    assert toll.interrupted > plan.worker_kills / 2
    assert len(toll.back_s) == toll.interrupted
    assert max(toll.back_s) <= 20
    # What remains is the auditor's: nothing lost, nothing doubled, every state right.
    measure.note(
        "storm",
        f"{len(job_ids):,} jobs under {toll.worker_kills} worker SIGKILLs and {toll.redis_kills} Redis SIGKILLs",
        interrupted_chunks=toll.interrupted,
        slowest_back_s=max(toll.back_s),
        seed=plan.seed,
        took_s=time.monotonic() - begun_at,
    )


# Row 25. The last worker is spared kills, so that a leak of its own would show.
@pytest.mark.full
@pytest.mark.timeout(SOAK_S + 300)
def test_nothing_grows_under_a_long_mix_of_faults(lab: Lab, measure: Measures) -> None:
    draw, watch, spared = random.Random(25), Watch(lab), lab.workers[-1]
    lab.plan(pace_s=0.1)
    samples: list[tuple[float, float]] = []
    faults: list[Callable[[], object]] = [
        lambda: kill_worker(lab, draw, watch, spared=spared),
        lambda: kill_redis(lab, draw),
        lambda: lab.redis.client_kill_filter(_type="normal", skipme=True),
        lambda: freeze(lab, draw),
        lambda: leave(lab),
    ]
    over_at, done, before = time.monotonic() + SOAK_S, 0, len(lab.caller.attempts)
    with submitting(lab, Plan(jobs=100_000, worker_kills=0, redis_kills=0, seed=25, job_every_s=0.5)):
        while time.monotonic() < over_at:
            draw.choice(faults)()
            done += 1
            last(draw.uniform(3, 8))
            samples.append((lab.api.rss_mb(), spared.rss_mb()))
    watch.stop()
    third = len(samples) // 3
    early, late = samples[third : 2 * third], samples[2 * third :]
    grown = [mean(s[i] for s in late) / mean(s[i] for s in early) for i in (0, 1)]
    assert max(grown) < 1.1, f"memory grew by {grown}"
    measure.note(
        25,
        f"{SOAK_S:g} s of faults at random",
        faults=done,
        submissions=len(lab.caller.attempts) - before,
        rss_grew=max(grown) - 1,
    )


def freeze(lab: Lab, draw: random.Random) -> None:
    """Freeze Redis or a worker for some seconds."""
    frozen = draw.choice([lab.valkey, lab.workers[0]])
    frozen.freeze()
    last(3)
    frozen.thaw()


def leave(lab: Lab) -> None:
    """Send a worker away, and start another."""
    worker = lab.workers[1]
    if worker.is_alive:
        worker.send(signal.SIGTERM)
        worker.wait_end(12)
    worker.kill()
    worker.spawn()
