"""Reading jobs: one beside a route that does nothing, a list of 100 beside a loop of gets.

Usage: python benchmarks/read.py [--quick] [--json]

One job (running, so that Valkey is asked) beside a no-op GET of the same process, behind the same gate: what is left
over the web framework. The list of 100 beside the peer's (`naive/api.py`), which gets the ids and then each job; ours
has ended jobs and ten that wait, is read from PostgreSQL with live values from Valkey, and has three times the bytes.
Callers who ask the same at the same time share an answer, which the lists at c=1 do without.

In turns on the same machine; CPU is that of the server's process. Exits with 1 when a goal is missed.
"""

import argparse
import sys
from collections import defaultdict
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.goals import Goal, report
from benchmarks.rig.serve import NO_OP
from benchmarks.rig.stack import INGEST, Bench, Served, poll, running

MOST_OVER_NO_OP = 2.5
LEAST_LIST_SPEEDUP = 10.0
JOBS = f"{INGEST}/jobs"
LIST = f"{JOBS}?limit=100"
ENDED, WAITING = 150, 10

#: A way, its path, how many requests and over how many connections.
Load = tuple[Served, str, int, int]


def prepare(bench: Bench) -> dict[str, Load]:
    """Have most jobs end and some wait, and return what is to be measured."""
    ours, naive = bench.serve("ours"), bench.serve("naive")
    naive.measure(naive.submissions(ENDED), connections=4)
    ours.measure(ours.submissions(ENDED, chunks=1), connections=4)
    worker = bench.work(ours)
    poll(lambda: ours.get(f"{JOBS}/stats")["by_status"]["completed"], lambda done: done == ENDED, within_s=60)
    bench.stop(worker)
    ours.measure(ours.submissions(WAITING), connections=1)
    job_id = ours.get(JOBS)["items"][0]["job_id"]
    return {
        "no-op, c=16": (ours, NO_OP, 3000, 16),
        "one job, c=16": (ours, f"{JOBS}/{job_id}", 1500, 16),
        "stats, c=16": (ours, f"{JOBS}/stats", 1000, 16),
        "list of 100, c=16": (ours, LIST, 1000, 16),
        "naive list of 100, c=16": (naive, LIST, 150, 16),
        "list of 100, c=1": (ours, LIST, 150, 1),
        "naive list of 100, c=1": (naive, LIST, 50, 1),
    }


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 rounds instead of 7")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    found: dict[str, list[tuple[float, float, float, float]]] = defaultdict(list)
    with running() as bench:
        loads = prepare(bench)
        for number in range((2 if options.quick else 7) + 1):
            for name, (way, target, count, connections) in loads.items():
                load, us = way.measure(way.gets(target, count), connections=connections)
                if number:
                    found[name].append((load.rate, load.quantile_ms(0.5), load.quantile_ms(0.95), us))
    names = ("req/s", "p50 ms", "p95 ms", "CPU µs")
    rows = {
        name: dict(zip(names, map(median, zip(*measured, strict=True)), strict=True))
        for name, measured in found.items()
    }
    over_no_op = [one[3] / none[3] for one, none in zip(found["one job, c=16"], found["no-op, c=16"], strict=True)]
    pairs = zip(found["list of 100, c=16"], found["naive list of 100, c=16"], strict=True)
    goals = [
        Goal("CPU of GET one job, times a no-op's", median(over_no_op), most=MOST_OVER_NO_OP),
        Goal(
            "req/s of GET jobs?limit=100, times the peer's",
            median(o[0] / n[0] for o, n in pairs),
            least=LEAST_LIST_SPEEDUP,
        ),
    ]
    return report(rows, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
