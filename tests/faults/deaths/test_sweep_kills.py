"""A sweep through kills: the same best trials as undisturbed, from real workers."""

import os
import signal
from typing import Any

import pytest

from tests.fixtures.servers.stacks import FINAL, Stack, until
from tests.fixtures.workers.chunk_kills import stop_in_chunk, valkey, wait_until_claimed_again

pytestmark = pytest.mark.timeout(300)

BACKTEST = "/api/v1/backtest"
SWEEP: dict[str, Any] = {
    "strategy": "sma_cross",
    "symbols": ["7203", "6758"],
    "last": "2025-10-31",
    "sessions": 700,
    "parameters": {"fast": list(range(2, 30)), "slow": list(range(30, 90, 3))},
    "folds": 3,
}
#: Its trials are chosen by those before, so a worker that goes on must know them all.
SEARCH: dict[str, Any] = SWEEP | {"folds": None, "sampler": "tpe", "trials": 400}


def submit(up: Stack, asked: dict[str, Any], **more: Any) -> str:
    answer = up.api.http.post(f"{BACKTEST}/sweep", json=asked | more, params={"on_overlap": "new"})
    assert answer.status_code == 202, answer.text
    return str(answer.json()["job_id"])


def job_of(up: Stack, job_id: str) -> dict[str, Any]:
    found: dict[str, Any] = up.api.http.get(f"{BACKTEST}/jobs/{job_id}").json()
    return found


def found_by(up: Stack, job_id: str, trials: int) -> dict[str, Any]:
    job = until(lambda: job_of(up, job_id), lambda job: job.get("status") in FINAL, within_s=150)
    assert job["status"] == "completed", job
    found: dict[str, Any] = up.api.http.get(f"{BACKTEST}/results/{job_id}").json()
    assert (found["trials"], found["lost"]) == (trials, 0)
    return found


@pytest.mark.parametrize(("asked", "trials"), [(SWEEP, 560), (SEARCH, 400)], ids=["grid", "search"])
def test_a_sweep_has_the_same_best_though_workers_are_killed(
    up_alone: Stack, asked: dict[str, Any], trials: int
) -> None:
    bars = {"intervals": {"1d": 700}, "symbols": SWEEP["symbols"], "session": "2025-10-31"}
    assert up_alone.api.wait(up_alone.api.submit(**bars))["status"] == "completed"
    undisturbed = found_by(up_alone, submit(up_alone, asked, chunk_size=200), trials)
    worker = up_alone.pid("worker-1")
    for victim in ("child", "worker"):
        job_id = submit(up_alone, asked, chunk_size=120)
        with valkey(up_alone) as client:
            caught = stop_in_chunk(client, job_id, queue="backtest")
            os.kill(caught.pid if victim == "child" else worker, signal.SIGKILL)
            wait_until_claimed_again(client, job_id, caught, within_s=40, queue="backtest")
        killed = found_by(up_alone, job_id, trials)
        for name in ("digest", "fingerprint", "best", "walk_forward", "deflated_sharpe", "sharpe_deviation"):
            assert killed[name] == undisturbed[name], name
        assert killed["run"]["digest"] == undisturbed["run"]["digest"]
    assert up_alone.pid("worker-1") != worker
