"""Many open dashboards on one API process, and big pages in a browser.

Usage: python benchmarks/dashboards.py [--quick] [--json]

200 dashboards are open on one API process while jobs run: half of them show the list of jobs, a quarter the overview,
a quarter the page of a job. Each loads its page, opens its stream, comes back when the stream ends, and takes its page
anew after changes as its script does. Meanwhile one caller asks the API for the list of jobs and one job. The peers are
the same API without dashboards, and with one of each page, which load what all share (templates, the bar store).

Then 10,000 jobs are in the ledger: the server's time for the list, and Chromium's first paint of it, without a cache.
Last the map of coverage, 1,650 symbols of TSE Prime over 250 sessions of daily bars: one drawing, and the frames that
Chromium makes in a second while a pointer moves over it and while nothing moves; and what the heaviest pages weigh over
the wire, with all that they load. Exits with 1 when a goal is missed.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.chromium import measure_map, measure_paint, measure_weights
from benchmarks.rig.dashboards import ask_meanwhile, open_dashboards, p95_ms
from benchmarks.rig.goals import Goal, report
from benchmarks.rig.stack import INGEST, Bench, Served, poll, running

DASHBOARDS, JOBS = 200, 10_000
MOST_P95_MS, MOST_MB = 100.0, 60.0
MOST_PAINT_MS, MOST_DRAWN_MS, MOST_KB = 300.0, 200.0, 150.0
#: Of 60: one frame in twenty may be late.
LEAST_FRAMES_S = 57.0
_PAGES = {"overview": "/", "jobs": "/jobs", "data": "/data?interval=1d", "symbol": "/symbols/7203?interval=1d"}
_MAP = {"intervals": {"1d": 250}, "market": "TSE_PRIME"}
_HTML = "text/html"


def measure_dashboards(bench: Bench, api: Served, count: int, seconds: float) -> dict[str, dict[str, float]]:
    """Return p50 and p95 of the API's answers, and its memory, without dashboards and with them."""
    worker = bench.work(api)
    process = psutil.Process(api.pid)
    found: dict[str, dict[str, float]] = {}
    for name, open_now in (("no dashboard", 0), ("4 dashboards", 4), (f"{count} dashboards", count)):
        with open_dashboards(api, open_now, seconds) as come:
            begun, cpu = time.monotonic(), api.cpu_s()
            latencies = ask_meanwhile(api, seconds)
            share = (api.cpu_s() - cpu) / (time.monotonic() - begun)
            memory = process.memory_info().rss / 1e6
        found[name] = {
            "p50 ms": statistics.median(latencies),
            "p95 ms": p95_ms(latencies),
            "cpu %": 100 * share,
            "memory MB": memory,
            **come,
        }
    bench.stop(worker)
    return found


def measure_list(api: Served, rounds: int) -> dict[str, float]:
    """Return the milliseconds of the server for the page of jobs, and of the first paint in Chromium."""
    headers = {"x-ingest-token": api.token, "accept": _HTML}
    times, size = [], 0
    with httpx2.Client(base_url=f"http://127.0.0.1:{api.port}", headers=headers, trust_env=False) as http:
        for _ in range(rounds):
            begun = time.perf_counter()
            size = len(http.get("/jobs").raise_for_status().content)
            times.append((time.perf_counter() - begun) * 1000)
    paints = measure_paint(api, "/jobs", rounds=rounds)
    return {"server p50 ms": statistics.median(times), "paint p50 ms": statistics.median(paints), "kB": size / 1000}


def fill_map(bench: Bench, api: Served) -> None:
    """Take 250 sessions of daily bars of a whole market."""
    worker = bench.work(api, handlers="real")
    headers = {"x-ingest-token": api.token}
    url = f"http://127.0.0.1:{api.port}{INGEST}/run-daily?on_overlap=new"
    job_id = httpx2.post(url, json=_MAP, headers=headers, trust_env=False).raise_for_status().json()["job_id"]
    poll(lambda: api.get(f"{INGEST}/jobs/{job_id}"), _is_over, within_s=300, every_s=0.5)
    bench.stop(worker)


def _is_over(job: Mapping[str, Any]) -> bool:
    return bool(job["completed_at"])


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--quick", action="store_true", help="10 s of dashboards instead of 40, 1,000 jobs, fewer rounds"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    rounds = 5 if options.quick else 15
    with running() as bench:
        api = bench.serve("ours")
        rows = measure_dashboards(bench, api, DASHBOARDS, 10 if options.quick else 40)
        fill_map(bench, api)
        drawn = measure_map(api, "/data?interval=1d", rounds=rounds)
        api.measure(api.submissions(1000 if options.quick else JOBS), connections=16)
        listed = measure_list(api, rounds)
        weights = measure_weights(api, _PAGES)
    _, few, many = rows.values()
    goals = [
        Goal(f"the API's p95 beside {DASHBOARDS} dashboards, ms", many["p95 ms"], most=MOST_P95_MS),
        Goal(f"memory of {DASHBOARDS} dashboards, MB", many["memory MB"] - few["memory MB"], most=MOST_MB),
        Goal("page of 10,000 jobs, server, ms", listed["server p50 ms"], most=MOST_PAINT_MS),
        Goal("page of 10,000 jobs, first paint, ms", listed["paint p50 ms"], most=MOST_PAINT_MS),
        Goal(f"map of {drawn['cells']:,.0f} cells drawn, ms", drawn["drawn ms"], most=MOST_DRAWN_MS),
        Goal("frames of the map under a pointer, each second", drawn["hover frames/s"], least=LEAST_FRAMES_S),
        *(Goal(f"page {name} over the wire, kB", kb, most=MOST_KB) for name, kb in weights.items()),
    ]
    return report(rows | {"list of jobs": listed, "map": drawn, "kB": weights}, goals, as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
