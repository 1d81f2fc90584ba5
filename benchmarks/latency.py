"""The main job from a provider that takes 50 ms for each symbol, into a sink of line protocol.

Usage: python benchmarks/latency.py [--quick] [--json] [--runs N] [--concurrency 16,32,64]

Ours: an API, one Celery worker with four slots, Valkey and PostgreSQL; the provider is `yahoo` at a loopback server
that answers every request after 50 ms with a body made beforehand, through the gate that all processes share, its
limits set to so many requests at once (C) and to more a minute than there are; the store is InfluxDB's, at a loopback
server that takes every line and holds none. Each run is an ingest request for 1,600 symbols and one session of 327
minutes, all that a session of the TSE has: 523,200 rows, checked, from the job's `requested_at` to its `completed_at`.
After each run the sink must have had just as many lines.

Peers: the naive pipeline, one symbol after another (`requests.get`, a pandas frame, a client's point for each row, one
write a symbol), and the same in four processes. They take a part of the symbols, and their whole job is scaled from
it; nothing is checked, gzipped, or asked for twice.

The bound of latency is symbols / C x 50 ms; that of CPU is what the worker tree burns, over the two cores. All servers
and the sink share these cores. Best of all runs; exits with 1 when a goal is missed.
"""

import argparse
import json
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import httpx2

from benchmarks.naive.pipeline import Task, run, run_in_processes
from benchmarks.rig.goals import Goal, report
from benchmarks.rig.stack import INGEST, Bench, Served, poll, running
from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import JST, last_sessions, latest_closed_session, minute_grid
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe

WAIT_S = 0.05
SYMBOLS = 1_600
CORES = 2
#: Goals: seconds of the whole job by requests at once.
MOST_S = {16: 6.0, 32: 3.3, 64: 2.0}
MOST_US_PER_ROW = 3.0
LEAST_SPEEDUP, LEAST_SPEEDUP_OF_FOUR = 40.0, 15.0
MOST_TIMES_THE_BOUND = 1.6


@dataclass(frozen=True, slots=True)
class Pass:
    """One job: rows, seconds, CPU seconds of the worker tree, and how many requests were under way at most."""

    rows: int
    wall_s: float
    cpu_s: float
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Where everything is, and what is asked for."""

    bench: Bench
    charts: int
    sink: int
    session: date
    symbols: tuple[str, ...]

    def counts(self, port: int) -> dict[str, int]:
        """Return what came to a server since it was last asked."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts", timeout=60) as answer:
            found: dict[str, int] = json.load(answer)
        return found

    def check_lines(self, rows: int) -> None:
        """Exit unless the sink had so many lines."""
        if (lines := self.counts(self.sink)["lines"]) != rows:
            sys.exit(f"the sink had {lines} lines, expected {rows}")


def prepare(bench: Bench) -> Place:
    """Start the provider and the sink, and point the stack to them."""
    session = latest_closed_session(utc_now(), delay_s=3600)
    if session < last_sessions(1, utc_now().astimezone(JST).date())[0]:
        sys.exit(
            "a session is under way, and until it is closed Yahoo is asked twice for a symbol: run it after 16:30 JST"
        )
    # Of those that are gone nobody is asked, and Prime alone has fewer that are not.
    universes = [load_universe(market, session) for market in (Market.TSE_PRIME, Market.TSE_STANDARD)]
    symbols = tuple([s for universe in universes for s in universe.symbols if s not in universe.delisted][:SYMBOLS])
    listed = bench.folder / "symbols"
    listed.write_text("\n".join(symbols), encoding="utf-8")
    charts = bench.run_peer("charts", str(WAIT_S), session.isoformat(), str(listed))
    sink = bench.run_peer("sink")
    bench.env |= {
        "KABOOM_PROVIDER": "yahoo",
        "YAHOO_ENABLED": "true",
        "YAHOO_BASE_URL": f"http://127.0.0.1:{charts}",
        "KABOOM_PROVIDER_REQUESTS_PER_MINUTE": "yahoo=999999",
        "KABOOM_BAR_STORE": "influxdb",
        "INFLUXDB_HOST": f"http://127.0.0.1:{sink}",
        "INFLUXDB_TOKEN": "bench",
        "INFLUXDB_ORG": "bench",
    }
    return Place(bench, charts, sink, session, symbols)


def run_job(place: Place, api: Served, worker_pid: int) -> Pass:
    """Have one job run to its end."""
    body = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "symbols": list(place.symbols)}
    place.counts(place.charts)
    before = tree_cpu_s(worker_pid)
    url = f"http://127.0.0.1:{api.port}{INGEST}/run-daily?on_overlap=new"
    answer = httpx2.post(url, json=body, headers={"x-ingest-token": api.token}, timeout=60, trust_env=False)
    job_id = answer.raise_for_status().json()["job_id"]
    # Asked seldom: whoever polls takes a core from the worker.
    job = poll(lambda: api.get(f"{INGEST}/jobs/{job_id}"), is_over, within_s=120, every_s=0.25)
    time.sleep(0.3)
    if job["status"] != "completed":
        sys.exit(f"job {job_id} was {job['status']}, expected completed: {job['result']} {job['error']}")
    rows = len(place.symbols) * len(minute_grid(place.session))
    if job["progress"]["rows"] != rows:
        sys.exit(f"job {job_id} had {job['progress']['rows']} rows, expected {rows}")
    cpu_s = tree_cpu_s(worker_pid) - before
    place.check_lines(rows)
    started, ended = (datetime.fromisoformat(job[name]) for name in ("requested_at", "completed_at"))
    return Pass(rows, (ended - started).total_seconds(), cpu_s, place.counts(place.charts)["most_under_way"])


def is_over(job: dict[str, Any]) -> bool:
    """Whether a job has ended."""
    return bool(job["completed_at"])


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, of a process and those that it started."""
    root = psutil.Process(pid)
    spent = [process.cpu_times() for process in [*root.children(recursive=True), root]]
    return float(sum(times.user + times.system for times in spent))


def measure_ours(place: Place, api: Served, concurrency: int, runs: int) -> list[Pass]:
    """Run jobs with so many requests at once, after two to warm up."""
    place.bench.env["KABOOM_PROVIDER_CONCURRENCY"] = f"yahoo={concurrency}"
    worker = place.bench.work(api, handlers="plain")
    passes = [run_job(place, api, worker.pid) for _ in range(runs + 2)]
    place.bench.stop(worker)
    return passes[2:]


def measure_naive(place: Place, go: Callable[[Task], tuple[int, float]], count: int) -> float:
    """Return the rows a second of a peer over some of the symbols."""
    base = "http://127.0.0.1:"
    task = Task(place.symbols[:count], place.session, f"{base}{place.charts}", f"{base}{place.sink}")
    rows, wall_s = go(task)
    place.check_lines(rows)
    return rows / wall_s


def alone(task: Task) -> tuple[int, float]:
    """Run a task in this process, and time it."""
    begun_at = time.perf_counter()
    rows = run(task)
    return rows, time.perf_counter() - begun_at


def in_four(task: Task) -> tuple[int, float]:
    """Run a task in four processes, and time it."""
    return run_in_processes(task, 4)


def build_rows(ours: dict[int, list[Pass]], naive: dict[str, float], rows: int) -> dict[str, dict[str, float]]:
    """Return the table: of ours the best run by wall, of the peers their whole job."""
    table: dict[str, dict[str, float]] = {}
    for concurrency, passes in ours.items():
        best = min(passes, key=lambda p: p.wall_s)
        latency_s, cpu_s = SYMBOLS / concurrency * WAIT_S, best.cpu_s / CORES
        table[f"kaboom, C={concurrency}"] = {
            "whole job s": best.wall_s,
            "CPU us/row": min(p.cpu_s for p in passes) / rows * 1e6,
            "under way": best.under_way,
            "latency s": latency_s,
            "CPU/2 s": cpu_s,
            "of bound": best.wall_s / max(latency_s, cpu_s),
        }
    return table | {name: {"whole job s": rows / rate} for name, rate in naive.items()}


def build_goals(table: dict[str, dict[str, float]], ours: list[int]) -> list[Goal]:
    """Return the goals."""
    goals = [
        Goal(f"whole job at C={c}, best run, s", table[f"kaboom, C={c}"]["whole job s"], most=MOST_S[c])
        for c in ours
        if c in MOST_S
    ]
    best = table[f"kaboom, C={max(ours)}"]
    for name, least in (("naive, sequential", LEAST_SPEEDUP), ("naive, 4 processes", LEAST_SPEEDUP_OF_FOUR)):
        times = table[name]["whole job s"] / best["whole job s"]
        goals.append(Goal(f"times as fast as {name}, C={max(ours)}", times, least=least))
    goals += [Goal("CPU of the whole worker tree, us/row", best["CPU us/row"], most=MOST_US_PER_ROW)]
    worst = max(table[f"kaboom, C={c}"]["of bound"] for c in ours)
    return [*goals, Goal("wall / max(latency, CPU / 2), worst C", worst, most=MOST_TIMES_THE_BOUND)]


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 runs, and half as many symbols for the peers")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--runs", type=int, default=5, help="runs after the warm-up [default: 5]")
    parser.add_argument(
        "--concurrency", default="16,32,64", help="requests at once, one or several [default: 16,32,64]"
    )
    options = parser.parse_args()
    wanted = [int(text) for text in options.concurrency.split(",")]
    sample = 40 if options.quick else 80
    with running() as bench:
        place = prepare(bench)
        api = bench.serve("ours")
        rows = SYMBOLS * len(minute_grid(place.session))
        naive = {
            "naive, sequential": max(measure_naive(place, alone, sample) for _ in range(2)),
            "naive, 4 processes": max(measure_naive(place, in_four, 2 * sample) for _ in range(2)),
        }
        ours = {c: measure_ours(place, api, c, 2 if options.quick else options.runs) for c in wanted}
    table = build_rows(ours, naive, rows)
    return report(table, build_goals(table, wanted), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
