"""A sweep over four processes, of which one is killed, as is Valkey (row 55)."""

import random
import time
from dataclasses import dataclass
from typing import Any

import pytest

from kaboom.drivers.clock import utc_now
from tests.faults.lab.chunks import running, wait_in_chunk
from tests.faults.lab.faults import last
from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures
from tests.faults.lab.storm import kill_redis
from tests.fixtures.servers.stacks import until

RESULTS = "/api/v1/backtest/results"


@dataclass(frozen=True, slots=True)
class Sweep:
    """How many averages of each kind are tried, and how long the run is held up for each fifty trials."""

    fast: int
    slow: int
    pace_s: float

    @property
    def trials(self) -> int:
        """How many combinations there are."""
        return self.fast * self.slow


SMALL = Sweep(fast=40, slow=40, pace_s=0.4)
BIG = Sweep(fast=100, slow=100, pace_s=0.4)


@pytest.fixture(scope="module")
def size() -> Size:
    """Four processes that work, each of a worker of its own."""
    return Size(workers=4, slots=1)


def ask(lab: Lab, sweep: Sweep) -> dict[str, Any]:
    """Take bars, and return the request of a sweep over them as they are known now."""
    taken = lab.requests.build(1) | {"intervals": {"1h": 120}}
    lab.caller.wait(lab.caller.submit(taken))
    return {
        "strategy": "sma_cross",
        "parameters": {"fast": list(range(2, 2 + sweep.fast)), "slow": list(range(110, 110 + sweep.slow))},
        "symbols": taken["symbols"],
        "interval": "1h",
        "sessions": 120,
        "last": "2025-10-31",
        "as_of": utc_now().isoformat(),
    }


def found(lab: Lab, job_id: str) -> tuple[dict[str, Any], bytes]:
    """Return what a sweep found, and all its trials."""
    summary = lab.caller.http.get(f"{RESULTS}/{job_id}")
    trials = lab.caller.http.get(f"{RESULTS}/{job_id}/trials.csv")
    assert (summary.status_code, trials.status_code) == (200, 200)
    return summary.json(), trials.content


def run(lab: Lab, request: dict[str, Any]) -> tuple[str, float]:
    """Run a sweep undisturbed; return its job and the seconds that it took."""
    begun_at = time.monotonic()
    job_id = lab.caller.submit(request, path="/api/v1/backtest/sweep")
    lab.caller.wait(job_id, within_s=300)
    return job_id, time.monotonic() - begun_at


@pytest.mark.timeout(600)
@pytest.mark.parametrize("sweep", [SMALL, pytest.param(BIG, marks=pytest.mark.full)], ids=["small", "big"])
def test_a_sweep_finds_the_same_whatever_dies(lab: Lab, measure: Measures, sweep: Sweep) -> None:
    request = ask(lab, sweep)
    undisturbed, quiet_s = run(lab, request)

    lab.plan(item_pace_s=sweep.pace_s)
    begun_at = time.monotonic()
    job_id = lab.caller.submit(request, path="/api/v1/backtest/sweep")
    was = wait_in_chunk(lab, job_id, queue="backtest")
    assert len(until(lambda: running(lab, queue="backtest"), lambda held: len(held) >= 4, within_s=20)) == 4
    victim = next(worker for worker in lab.workers if was.pid in worker.children())
    victim.kill()
    cut_off = lab.caller.job(job_id)["progress"]
    assert 0 < cut_off["done"] < sweep.trials / 2
    last(1)
    kill_redis(lab, random.Random(55))
    lab.plan()
    job = lab.caller.wait(job_id, within_s=120)
    took_s = time.monotonic() - begun_at
    assert (job["status"], job["progress"]["done"]) == ("completed", sweep.trials + 1)

    expected, trials = found(lab, undisturbed)
    summary, again = found(lab, job_id)
    assert again == trials
    assert summary == expected
    assert (summary["trials"], summary["lost"], len(summary["best"])) == (sweep.trials, 0, 20)
    measure.note(
        55,
        "a sweep over 4 processes, one of them and Valkey killed: the same best, and the same bytes of all trials",
        trials=sweep.trials,
        kept_before_the_kills=cut_off["done"],
        took_s=took_s,
        undisturbed_s=quiet_s,
    )
