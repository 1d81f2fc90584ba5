"""A machine without CPU time: sweeps from a cold cache, ingests and analyses beside 24 busy processes (row 65)."""

import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from tests.faults.lab.lab import Lab, Size
from tests.faults.lab.measure import Measures

SWEEPS, INGESTS, ANALYSES, BUSY = 5, 24, 10, 24
TRIALS = 200
SESSION = "2025-10-31"
_SPIN = "while True: pass"


@pytest.fixture(scope="module")
def size() -> Size:
    """One worker of four processes, as `kaboom up` has it."""
    return Size(slots=4)


@contextmanager
def starve(processes: int) -> Iterator[None]:
    """Let processes spin, each in a session of its own: the kernel shares CPU time among sessions first."""
    busy = [subprocess.Popen([sys.executable, "-c", _SPIN], start_new_session=True) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def store_bars(lab: Lab, symbols: int, intervals: dict[str, int]) -> Sequence[str]:
    """Take bars of symbols that no other request has, and return these."""
    taken = lab.requests.build(symbols) | {"intervals": intervals}
    lab.caller.wait(lab.caller.submit(taken))
    return list(taken["symbols"])


def build_requests(swept: Sequence[str], analysed: Sequence[str]) -> list[tuple[str, dict[str, Any]]]:
    """Return path and body of each sweep and analysis, over bars that are stored."""
    window = {"fast": list(range(2, 12)), "slow": list(range(20, 40))}
    sweep = {"strategy": "sma_cross", "parameters": window, "interval": "1h", "sessions": 120, "last": SESSION}
    asked = {"session": SESSION, "sessions": 30, "kind": "risk"}
    return [
        *(("/api/v1/backtest/sweep", sweep | {"symbols": [symbol]}) for symbol in swept),
        *(("/api/v1/ai-analysis/analyse", asked | {"symbols": [symbol]}) for symbol in analysed),
    ]


def submit_all(lab: Lab, requests: Sequence[tuple[str, dict[str, Any]]]) -> list[str]:
    return [lab.caller.submit(body, path=path) for path, body in requests]


def read_results(lab: Lab, job_ids: Sequence[str]) -> list[Any]:
    """Wait for jobs, and return what each found; of a sweep the bytes of all its trials."""
    jobs = [lab.caller.wait(job_id, within_s=900) for job_id in job_ids]
    assert [job["status"] for job in jobs] == ["completed"] * len(jobs)
    trials = [lab.caller.http.get(f"/api/v1/backtest/results/{job_id}/trials.csv") for job_id in job_ids[:SWEEPS]]
    assert {answer.status_code for answer in trials} == {200}
    return [*(answer.content for answer in trials), *(job["result"]["analyses"] for job in jobs[SWEEPS:])]


def read_attempts(lab: Lab) -> set[int]:
    with psycopg.connect(lab.database_url) as connection:
        return {n for (n,) in connection.execute("SELECT DISTINCT attempts FROM job_chunks")}


@pytest.mark.full
@pytest.mark.timeout(1800)
def test_a_starved_worker_loses_nothing_and_counts_no_attempt(lab: Lab, measure: Measures) -> None:
    requests = build_requests(store_bars(lab, SWEEPS, {"1h": 120}), store_bars(lab, ANALYSES, {"1d": 40}))

    lab.worker.stop()
    begun_at = time.monotonic()
    with starve(BUSY):
        lab.worker.spawn()
        job_ids = submit_all(lab, requests)
        ingests = [lab.caller.submit(lab.requests.build()) for _ in range(INGESTS)]
        starved = read_results(lab, job_ids)
        ingested = [lab.caller.wait(job_id, within_s=900) for job_id in ingests]
    starved_s = time.monotonic() - begun_at

    calm = read_results(lab, submit_all(lab, requests))
    assert starved == calm
    assert {job["status"] for job in ingested} == {"completed"}
    assert read_attempts(lab) == {1}
    words = lab.worker.spec.log.read_text(errors="replace")
    assert "lease_lost" not in words
    measure.note(
        65,
        f"{SWEEPS} sweeps of {TRIALS} trials, {INGESTS} ingests, {ANALYSES} analyses beside {BUSY} busy processes: "
        "nothing lost, no attempt counted, the results of a calm run",
        starved_s=starved_s,
    )
