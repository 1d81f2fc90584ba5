"""Submitting a job, beside a naive endpoint: requests a second, and the server's CPU for each.

Usage: python benchmarks/submit.py [--quick] [--json]

Ours: POST run-daily. When its 202 is sent the job is committed to PostgreSQL (fsync on) and in Valkey,
and its message is published; each request differs from the others, so that none joins another's job. The peer
(`naive/api.py`) has the same body, token and answer: three calls of redis.asyncio (SET, LPUSH, LTRIM) and `apply_async`
inline, with a result backend; nothing of it outlives Valkey.

Both run on the same uvicorn with one process each, in turns, against the same Valkey. A hand-written client keeps 16
connections busy, or one. No worker runs, so that all CPU is the submission's; our reaper runs, as always. CPU is that
of the server's process. Exits with 1 when a goal is missed, or when the ledger lacks a job.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.goals import Goal, report
from benchmarks.rig.stack import INGEST, Served, running

LEAST_SPEEDUP = 1.5
MOST_CPU_SHARE = 0.7
MANY = 16
OURS, NAIVE = "kaboom, durable", "naive"

#: Of one way at one number of connections: req/s, p50 and p95 in ms, CPU µs.
Round = tuple[float, float, float, float]


def measure(ways: dict[str, Served], rounds: int, requests: int) -> dict[tuple[str, int], list[Round]]:
    """Put the loads on ours and the peer in turns, after one round to warm up."""
    found: dict[tuple[str, int], list[Round]] = defaultdict(list)
    for number in range(rounds + 1):
        for connections in (1, MANY):
            for name, way in ways.items():
                count = requests if connections > 1 else requests // 4
                load, us = way.measure(way.submissions(count), connections=connections)
                if number:
                    found[name, connections].append((load.rate, load.quantile_ms(0.5), load.quantile_ms(0.95), us))
    return found


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 7")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rounds, requests = (2, 1000) if options.quick else (7, 1500)
    with running() as bench:
        ways = {OURS: bench.serve("ours"), NAIVE: bench.serve("naive")}
        found = measure(ways, rounds, requests)
        kept = ways[OURS].get(f"{INGEST}/jobs/stats")["by_status"]["queued"]
    if kept != (rounds + 1) * (requests + requests // 4):
        sys.exit(f"the ledger had {kept} queued jobs, expected one for each 202")
    rows = {
        f"{name}, c={connections}": dict(
            zip(("req/s", "p50 ms", "p95 ms", "CPU µs"), map(median, zip(*measured, strict=True)), strict=True)
        )
        for (name, connections), measured in found.items()
    }
    pairs = list(zip(found[OURS, MANY], found[NAIVE, MANY], strict=True))
    goals = [
        Goal("req/s at c=16, times the peer's", median(o[0] / n[0] for o, n in pairs), least=LEAST_SPEEDUP),
        Goal("CPU of the server at c=16, times the peer's", median(o[3] / n[3] for o, n in pairs), most=MOST_CPU_SHARE),
    ]
    return report(rows, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
