"""What a job costs beside its work: picking it up, planning and ending its chunks, telling how far it is.

Usage: python benchmarks/jobs.py [--quick] [--json]

A worker of four slots whose handlers do nothing. One job at a time, on an idle worker: from `requested_at` (the
ledger's commit) to `started_at` (the claim), and of a job of 16 chunks from `requested_at` to `completed_at`.

Then the real main job (TSE Prime, one session of 1-minute bars) on a worker with a stopwatch around all that tells
how far it is: tallies, heartbeats (the waiting for Valkey included) and log lines, held against the time that its
chunks took. The peer of these is a bound, not a service: what is measured is ours alone. Exits with 1 when a goal is
missed.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx2

from benchmarks.rig.goals import Goal, report
from benchmarks.rig.stack import INGEST, Bench, Served, poll, running

MOST_PICK_UP_MS = 10.0
MOST_OVERHEAD_MS = 60.0
MOST_TELLING_PERCENT = 3.0
CHUNKS = 16
_REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}


def run_job(api: Served, body: dict[str, Any]) -> dict[str, Any]:
    """Submit a job and wait for its end."""
    headers = {"x-ingest-token": api.token}
    url = f"http://127.0.0.1:{api.port}{INGEST}/run-daily?on_overlap=new"
    job_id = httpx2.post(url, json=body, headers=headers, trust_env=False).raise_for_status().json()["job_id"]
    # Asked seldom: whoever polls takes a core from the worker.
    found: dict[str, Any] = poll(
        lambda: api.get(f"{INGEST}/jobs/{job_id}"), lambda job: bool(job["completed_at"]), within_s=60
    )
    if found["status"] != "completed":
        sys.exit(f"job {job_id} was {found['status']}, expected completed: {found['error']}")
    return found


def between_ms(job: dict[str, Any], begin: str, end: str) -> float:
    """Return the milliseconds between two times of a job."""
    return (datetime.fromisoformat(job[end]) - datetime.fromisoformat(job[begin])).total_seconds() * 1000


def measure_no_ops(bench: Bench, api: Served, count: int) -> dict[str, list[float]]:
    """Return milliseconds of pick-up and of whole jobs, of 1 chunk and of 16."""
    worker = bench.work(api)
    found: dict[str, list[float]] = {"pick-up, ms": [], "whole job of 1 no-op chunk, ms": [], "of 16, ms": []}
    for number in range(count + 5):
        for name, chunks in (("whole job of 1 no-op chunk, ms", 1), ("of 16, ms", CHUNKS)):
            job = run_job(api, _REQUEST | {"chunk_size": 1000 + chunks})
            # The first ones of each child import what they need.
            if number >= 5:
                found["pick-up, ms"].append(between_ms(job, "requested_at", "started_at"))
                found[name].append(between_ms(job, "requested_at", "completed_at"))
    bench.stop(worker)
    return found


def measure_telling(bench: Bench, api: Served, count: int) -> list[float]:
    """Return for each real job what percentage of its chunks' time went into telling how far they are."""
    worker = bench.work(api, handlers="real")
    percents = []
    for number in range(count + 2):
        before = bench.log("worker").stat().st_size
        run_job(api, _REQUEST)
        timed = list(_timed_chunks(bench.log("worker").read_text(encoding="utf-8")[before:]))
        if number >= 2:
            percents.append(100 * sum(c["telling_s"] for c in timed) / sum(c["chunk_s"] for c in timed))
    bench.stop(worker)
    return percents


def _timed_chunks(log: str) -> Iterator[dict[str, Any]]:
    for line in log.splitlines():
        if '"chunk_timed"' in line:
            yield json.loads(line)


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="10 jobs of each kind instead of 50")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with running() as bench:
        api = bench.serve("ours")
        found = measure_no_ops(bench, api, 10 if options.quick else 50)
        found["telling, % of the chunks' time"] = measure_telling(bench, api, 3 if options.quick else 7)
    rows = {
        name: {"best": min(values), "p50": median(values), "p95": quantiles(values, n=20, method="inclusive")[-1]}
        for name, values in found.items()
    }
    goals = [
        Goal("pick-up on an idle worker, p50 ms", rows["pick-up, ms"]["p50"], most=MOST_PICK_UP_MS),
        Goal("submit to the last of 16 no-op chunks, p50 ms", rows["of 16, ms"]["p50"], most=MOST_OVERHEAD_MS),
        Goal(
            "progress and logs, % of the chunks' time",
            rows["telling, % of the chunks' time"]["p50"],
            most=MOST_TELLING_PERCENT,
        ),
    ]
    return report(rows, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
