"""Ten thousand queued jobs: submitting, looking and draining, while and after they pile up.

Usage: python benchmarks/backlog.py [--quick] [--json]

No worker runs while the jobs pile up. Then the list and the stats are asked, Valkey's memory is read, and a worker of
four slots whose handlers do nothing drains the queue: a plan and one chunk of each job. All along, the messages that
wait are compared with the chunks that wait for a claim: a message that is sent again behind a backlog multiplies it.
At the end every job must be completed in the ledger, each chunk run once, and nothing left in Valkey's queues.
Exits with 1 when a goal is missed.
"""

import argparse
import sys
import time
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import psycopg
from redis import Redis

from benchmarks.rig.goals import Goal, report
from benchmarks.rig.stack import INGEST, Bench, Served, running
from kaboom.jobs.engine.message import list_key
from kaboom.jobs.redis import keys

MOST_SUBMIT_P95_MS = 50.0
MOST_LOOK_P95_MS = 150.0
MOST_VALKEY_MB = 200.0
MOST_MESSAGES_PER_CHUNK = 1.1
QUEUE = "ingest"
#: A message that is on its way to a claim belongs to a chunk that does not wait any more, and the other way round.
_ON_THE_WAY = 16


@dataclass(frozen=True, slots=True)
class Drain:
    """How a backlog went: seconds, samples, and the most messages for each waiting chunk."""

    wall_s: float
    samples: int
    most_messages_per_chunk: float


def drain(bench: Bench, api: Served, valkey: Redis, *, jobs: int) -> Drain:
    """Start a worker, and watch until nothing waits."""
    worker = bench.work(api)
    begun_at, samples, most = time.monotonic(), 0, 0.0
    while (active := valkey.zcard(keys.active(QUEUE))) and time.monotonic() < begun_at + 60 + jobs * 0.06:
        messages, waiting = valkey.llen(list_key(QUEUE)), valkey.zcard(keys.dispatch(QUEUE))
        if waiting > _ON_THE_WAY:
            most = max(most, (messages - _ON_THE_WAY) / waiting)
        samples += 1
        time.sleep(0.1)
    wall_s = time.monotonic() - begun_at
    bench.stop(worker)
    if active:
        sys.exit(f"{active} jobs were still active after {wall_s:.0f} s")
    return Drain(wall_s, samples, most)


def check_ledger(url: str, valkey: Redis, *, jobs: int) -> None:
    """Exit unless every job is completed, each chunk ran once, and nothing is left to do."""
    with psycopg.connect(url) as connection:
        completed, open_jobs, done = connection.execute(
            "SELECT count(*) FILTER (WHERE status = 'completed' AND done = 1 AND total = 1),"
            " count(*) FILTER (WHERE completed_at IS NULL), sum(done) FROM jobs"
        ).fetchone() or (0, 0, 0)
        chunks, attempts = connection.execute(
            "SELECT count(*) FILTER (WHERE state = 'done'), sum(attempts) FROM job_chunks"
        ).fetchone() or (0, 0)
    left = [valkey.llen(list_key(QUEUE)), *(valkey.zcard(key(QUEUE)) for key in (keys.dispatch, keys.leases))]
    if (completed, open_jobs, done, chunks, attempts, *left) != (jobs, 0, jobs, jobs, jobs, 0, 0, 0):
        sys.exit(
            f"of {jobs} jobs {completed} were completed, {open_jobs} open, {done} items done, {chunks} chunks done"
            f" in {attempts} attempts, {left} messages, waiting chunks and leases left"
        )


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="1,000 jobs instead of 10,000")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    jobs = 1_000 if options.quick else 10_000
    with running() as bench:
        api = bench.serve("ours")
        valkey: Redis = Redis.from_url(bench.env["REDIS_URL"], decode_responses=True)
        submitted, submit_us = api.measure(api.submissions(jobs, chunks=1), connections=16)
        listed, list_us = api.measure(api.gets(f"{INGEST}/jobs?limit=100", 400), connections=4)
        counted, stats_us = api.measure(api.gets(f"{INGEST}/jobs/stats", 400), connections=4)
        valkey_mb = valkey.info("memory")["used_memory_peak"] / 1e6
        drained = drain(bench, api, valkey, jobs=jobs)
        check_ledger(bench.env["DATABASE_URL"], valkey, jobs=jobs)
        valkey.close()
    loads = {
        "submit, c=16": (submitted, submit_us),
        "list of 100, c=4": (listed, list_us),
        "stats, c=4": (counted, stats_us),
    }
    rows = {
        name: {
            "req/s": load.rate,
            "p50 ms": load.quantile_ms(0.5),
            "p95 ms": load.quantile_ms(0.95),
            "max ms": load.latencies_ms[-1],
            "CPU µs": us,
        }
        for name, (load, us) in loads.items()
    }
    if not options.json:
        print(f"{jobs} jobs drained in {drained.wall_s:.1f} s, {jobs / drained.wall_s:.0f} a second")
    goals = [
        Goal("submit, p95 ms", submitted.quantile_ms(0.95), most=MOST_SUBMIT_P95_MS),
        Goal(f"list over {jobs} queued jobs, p95 ms", listed.quantile_ms(0.95), most=MOST_LOOK_P95_MS),
        Goal(f"stats over {jobs} queued jobs, p95 ms", counted.quantile_ms(0.95), most=MOST_LOOK_P95_MS),
        Goal("memory of Valkey at its peak, MB", valkey_mb, most=MOST_VALKEY_MB),
        Goal(
            f"messages for each waiting chunk, most of {drained.samples} looks",
            drained.most_messages_per_chunk,
            most=MOST_MESSAGES_PER_CHUNK,
        ),
    ]
    return report(rows, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
