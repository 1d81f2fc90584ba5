"""The whole main job through a real stack, beside the naive pipeline: CPU per row, rows a second.

Usage: python benchmarks/ingest.py [--quick] [--json] [--runs N]

Ours: an API, a Celery worker with four slots, Valkey and PostgreSQL, all started here on a folder of their own.
Each run submits the request below over HTTP and lasts from the job's `requested_at` to its `completed_at`. Four
runs of that request warm up: each of the four pool children learns a symbol's year from the
synthetic provider when it first meets the symbol. Each run measured names an older session, so that all its bars are
new to the store. What the worker tree burns is charged whole, the synthetic provider's generating included.

The peer, in turns with ours: one symbol after another, json, a pandas DataFrame, one influxdb-client `Point` for
each row, line protocol, one append to a local file. It gets the same bars of the same provider as JSON text made
beforehand: generating and encoding are not charged to it, nor is any durability (ours is synced to disk). It comes
in two ways of walking a frame: `iterrows`, as most write it and as the goal says, and `itertuples`, the careful one.

The same job of a second stack, whose bars are in PostgreSQL (`KABOOM_BAR_STORE=postgres`), runs in the same rounds. Its
worker tree, API, Valkey and PostgreSQL together are held against those of the first.

No network on either side: a real provider costs the peer a round trip for each symbol. The peer takes a sample of
the symbols, and its whole job is scaled from it.

CPU is judged by the median of the runs. Rows a second depend on who else uses the cores, and four processes suffer
more from that than one: best run is held against best run, and the medians' ratio is printed beside it. Exits with 1
when a goal is missed.
"""

import argparse
import asyncio
import json
import os
import secrets
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from statistics import median
from typing import Any

import pandas as pd
import polars as pl
import psutil
from influxdb_client.client.write.point import Point
from influxdb_client.domain.write_precision import WritePrecision

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.rig.results import Goal, keep_if_recording
from kaboom.bars.open import build_bar_store
from kaboom.bars.open_provider import build_provider
from kaboom.cli.session import Session
from kaboom.cli.stack.whole import Stack, StackOptions
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.drivers.embedded.run_file import read_run_file
from kaboom.drivers.embedded.servers import free_port
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import last_sessions, latest_closed_session
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.universe import load_universe
from kaboom.providers.base import BarProvider, BarRequest

INGEST = "/api/v1/ingest"
REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}
#: Goals: CPU of the whole worker tree, and rows a second against the peer's.
MOST_US_PER_ROW = 3.0
LEAST_SPEEDUP = 40.0
#: What bars in PostgreSQL may cost beyond page files, the server's own CPU included.
MOST_US_MORE = 2.0
WARM_UPS = 4
#: A job that takes longer has hung.
PATIENCE_S = 120.0
#: What the worker still does after `completed_at`, such as writing the ledger, is charged too.
TAIL_S = 0.3
#: Nothing from the outside may lead the stack to other servers or other settings.
FOREIGN = ("KABOOM_", "REDIS_", "CELERY_", "DATABASE_", "DISABLE_", "INGEST_")


@dataclass(frozen=True, slots=True)
class Pass:
    """One pass over a session: seconds of wall, and of CPU; `rest_cpu_s` is that of API, Valkey and PostgreSQL."""

    rows: int
    wall_s: float
    cpu_s: float
    rest_cpu_s: float = 0.0

    @property
    def rows_per_s(self) -> float:
        """Rows a second of wall."""
        return self.rows / self.wall_s

    @property
    def us_per_row(self) -> float:
        """Microseconds of CPU for each row; of ours those of the whole worker tree."""
        return self.cpu_s / self.rows * 1e6

    @property
    def whole_us_per_row(self) -> float:
        """The same of the worker tree, API, Valkey and PostgreSQL."""
        return (self.cpu_s + self.rest_cpu_s) / self.rows * 1e6


#: A pass of ours and of each peer on the same session, one after the other.
Round = dict[str, Pass]


class Bench:
    """A running stack, and the ways to ask it."""

    def __init__(self, stack: Stack, session: Session) -> None:
        self.data_dir = stack.data_dir
        self._client = session.client()
        run = read_run_file(self.data_dir)
        self.database_url = run["database_url"]
        self._pids = {child["name"]: child["pid"] for child in run["children"]}

    def run(self, session: date | None) -> Pass:
        """Have one job run to its end; None asks for the newest session."""
        body = REQUEST | ({"session": session.isoformat()} if session else {})
        before = self._cpu_s()
        job = self._wait(self._client.call("POST", f"{INGEST}/run-daily", json=body)["job_id"])
        time.sleep(TAIL_S)
        after = self._cpu_s()
        started, ended = (datetime.fromisoformat(job[name]) for name in ("requested_at", "completed_at"))
        return Pass(
            rows=job["progress"]["rows"],
            wall_s=(ended - started).total_seconds(),
            cpu_s=after[0] - before[0],
            rest_cpu_s=after[1] - before[1],
        )

    def _wait(self, job_id: str) -> dict[str, Any]:
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:
            job: dict[str, Any] = self._client.call("GET", f"{INGEST}/jobs/{job_id}")
            if job["completed_at"]:
                if job["status"] != "completed":
                    sys.exit(f"job {job_id} was {job['status']}, expected completed: {job['result']} {job['error']}")
                return job
            time.sleep(0.1)
        sys.exit(f"job {job_id} had not ended after {PATIENCE_S:.0f} s")

    def _cpu_s(self) -> tuple[float, float]:
        """Return the CPU seconds so far of the worker tree, and of the rest of the stack."""
        spent = {name: tree_cpu_s(pid) for name, pid in self._pids.items()}
        worker = sum(s for name, s in spent.items() if name.startswith("worker"))
        return worker, sum(spent.values()) - worker


def tree_cpu_s(pid: int) -> float:
    """Return the CPU seconds, user and system, of a process and all that it started, the reaped ones too."""
    root = psutil.Process(pid)
    total = 0.0
    # The parent last: a child that ends in between is then counted among its reaped ones.
    for process in [*root.children(recursive=True), root]:
        with suppress(psutil.NoSuchProcess):
            spent = process.cpu_times()
            total += spent.user + spent.system + spent.children_user + spent.children_system
    return total


@contextmanager
def running(bar_store: str) -> Iterator[Bench]:
    """Run a stack on a folder of its own, and leave neither processes nor files behind."""
    # A plain SIGTERM would end this process without `finally`, and leave the stack running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    for name in [name for name in os.environ if name.startswith(FOREIGN)]:
        del os.environ[name]
    os.environ |= {"INGEST_API_TOKEN": secrets.token_urlsafe(32), "KABOOM_BAR_STORE": bar_store}
    root = Path(tempfile.mkdtemp(prefix="kaboom-bench-", dir="/tmp"))
    root.chmod(0o755)  # as root, PostgreSQL runs as `nobody`, who must pass through
    session = Session(data_dir=root / "data")
    stack = Stack(StackOptions(root / "data", port=free_port(), workers=1, concurrency=4), session)
    try:
        stack.start()
        bench = Bench(stack, Session(stack.api_url, root / "data"))
        del os.environ["KABOOM_BAR_STORE"]
        yield bench
    finally:
        stack.stop()
        shutil.rmtree(root, ignore_errors=True)


def load_payloads(provider: BarProvider, symbols: list[str], session: date) -> dict[str, str]:
    """Return what the peer is served: for each symbol the JSON text of its bars, column by column."""
    request = BarRequest(tuple(symbols), Interval.M1, (session,))
    bars = asyncio.run(provider.fetch_bars(request)).bars.with_columns(pl.col("opened_at").dt.epoch("s"))
    return {
        symbol: json.dumps(bars.filter(pl.col("symbol") == symbol).drop("symbol").to_dict(as_series=False))
        for symbol in symbols
    }


def by_iterrows(frame: pd.DataFrame, symbol: str) -> list[str]:
    """Return one line for each row, by `iterrows`."""
    return [to_line(symbol, row) for _, row in frame.iterrows()]


def by_itertuples(frame: pd.DataFrame, symbol: str) -> list[str]:
    """Return one line for each row, by `itertuples`."""
    return [to_line(symbol, row) for row in frame.itertuples(index=False)]


def to_line(symbol: str, row: Any) -> str:
    """Return the line protocol of one row, by way of a client's point."""
    new_point: Any = Point  # which has no types
    point = new_point("ohlcv").tag("symbol", symbol).tag("interval", "1m")
    for name in ("open", "high", "low", "close"):
        point = point.field(name, float(getattr(row, name)))
    line: str = point.field("volume", int(row.volume)).time(row.opened_at, WritePrecision.S).to_line_protocol()
    return line


OURS = "kaboom, 1 worker x 4 slots"
IN_POSTGRES = "the same, bars in PostgreSQL"
ITERROWS = "naive, frame.iterrows"
PEERS: dict[str, Callable[[pd.DataFrame, str], list[str]]] = {
    ITERROWS: by_iterrows,
    "naive, frame.itertuples": by_itertuples,
}


def run_naive(payloads: dict[str, str], target: Path, name: str) -> Pass:
    """Be a peer: one symbol after another, each to its end."""
    rows, to_lines = 0, PEERS[name]
    wall, cpu = time.perf_counter(), time.process_time()
    for symbol, text in payloads.items():
        frame = pd.DataFrame(json.loads(text))
        frame["opened_at"] = pd.to_datetime(frame["opened_at"], unit="s", utc=True)
        lines = to_lines(frame, symbol)
        with target.open("a", encoding="utf-8") as file:
            file.writelines(f"{line}\n" for line in lines)
        rows += len(lines)
    return Pass(rows, time.perf_counter() - wall, time.process_time() - cpu)


@dataclass(frozen=True, slots=True)
class Result:
    """The first job of the fresh worker, the rounds after the warm-up, and how many symbols each way took."""

    first: Pass
    rounds: list[Round]
    symbols: dict[str, int]


def measure(bench: Bench, other: Bench, runs: int, sample_size: int) -> Result:
    """Warm up, then run ours in both stores and the peers in turns, on one session after another, the newest first."""
    settings = BatchSettings(data_dir=bench.data_dir)
    provider = build_provider(settings, "synthetic")
    sessions = last_sessions(runs + 1, latest_closed_session(utc_now(), delay_s=settings.provider_delay_s))
    symbols = load_universe(Market.TSE_PRIME, sessions[-1]).symbols
    sample = list(symbols[:: len(symbols) // sample_size])[:sample_size]
    warm_ups = [(bench.run(None), other.run(None)) for _ in range(WARM_UPS)]
    rounds: list[Round] = []
    for session in reversed(sessions[:-1]):
        payloads = load_payloads(provider, sample, session)
        ours = {OURS: bench.run(session), IN_POSTGRES: other.run(session)}
        rounds.append(ours | {name: run_naive(payloads, bench.data_dir / "naive.lp", name) for name in PEERS})
    for stack, store, name, warm_up in (
        (bench, "pages", OURS, warm_ups[-1][0]),
        (other, "postgres", IN_POSTGRES, warm_ups[-1][1]),
    ):
        check_stored(stack, store, sessions, warm_up.rows + sum(r[name].rows for r in rounds))
    counts = dict.fromkeys((OURS, IN_POSTGRES), len(symbols)) | dict.fromkeys(PEERS, len(sample))
    return Result(warm_ups[0][0], rounds, counts)


def check_stored(bench: Bench, bar_store: str, sessions: tuple[date, ...], rows: int) -> None:
    """Exit unless the store holds every row that the jobs claim to have written."""

    async def count() -> int:
        place = {"data_dir": bench.data_dir, "database_url": bench.database_url}
        store = build_bar_store(BatchSettings.model_validate(place | {"bar_store": bar_store}))
        held = await store.coverage(BarSeries("synthetic", Interval.M1), first=sessions[0], last=sessions[-1])
        await store.close()
        return int(held["bars"].sum())

    if (held := asyncio.run(count())) != rows:
        sys.exit(f"the store held {held} bars, expected the {rows} rows that the jobs report")


def build_report(result: Result) -> dict[str, Any]:
    """Return medians over the rounds, and how many times ours is better, best run by best run and by medians."""
    rounds, symbols = result.rounds, result.symbols
    ways: dict[str, dict[str, float]] = {}
    for name, count in symbols.items():
        passes = [r[name] for r in rounds]
        ways[name] = {
            "symbols": count,
            "rows": median(p.rows for p in passes),
            "whole_job_s": median(p.wall_s for p in passes) * symbols[OURS] / count,
            "rows_per_s": median(p.rows_per_s for p in passes),
            "us_per_row": median(p.us_per_row for p in passes),
            "whole_us_per_row": median(p.whole_us_per_row for p in passes),
            "faster": max(r[OURS].rows_per_s for r in rounds) / max(p.rows_per_s for p in passes),
            "faster_by_median": median(r[OURS].rows_per_s / r[name].rows_per_s for r in rounds),
            "less_cpu_by_median": median(r[name].us_per_row / r[OURS].us_per_row for r in rounds),
        }
    us_per_row, faster = ways[OURS]["us_per_row"], ways[ITERROWS]["faster"]
    more = median(r[IN_POSTGRES].whole_us_per_row - r[OURS].whole_us_per_row for r in rounds)
    return {
        "ways": ways,
        "first": asdict(result.first) | {"us_per_row": result.first.us_per_row},
        "rest_us_per_row": median(r[OURS].rest_cpu_s / r[OURS].rows * 1e6 for r in rounds),
        "rounds": [{name: asdict(p) for name, p in r.items()} for r in rounds],
        "goals": [
            Goal("CPU of the whole worker tree, µs/row", us_per_row, most=MOST_US_PER_ROW),
            Goal(f"times the rows/s of {ITERROWS}", faster, least=LEAST_SPEEDUP),
            Goal("µs/row more in PostgreSQL, server included", more, most=MOST_US_MORE),
        ],
    }


def print_report(report: dict[str, Any]) -> None:
    """Print tables, goals and verdicts."""
    print(f"TSE Prime, 1 session of 1m bars, median of {len(report['rounds'])} runs after {WARM_UPS} to warm up\n")
    print(f"{'':30} {'symbols':>8} {'rows':>9} {'whole job':>11} {'rows/s':>11} {'CPU µs/row':>11}")
    for name, way in report["ways"].items():
        is_scaled = way["symbols"] < report["ways"][OURS]["symbols"]
        job = f"{'~' * is_scaled}{way['whole_job_s']:.2f} s"
        counts = f"{way['symbols']:8,} {way['rows']:9,.0f} {job:>11}"
        print(f"{name:30} {counts} {way['rows_per_s']:11,.0f} {way['us_per_row']:11.2f}")
    print(f"~ scaled from the sample to {report['ways'][OURS]['symbols']:,} symbols")
    first = report["first"]
    print(f"the first job of a fresh worker: {first['wall_s']:.2f} s, {first['us_per_row']:.2f} µs CPU per row")
    print(f"beside the worker tree: API, Valkey and PostgreSQL took {report['rest_us_per_row']:.2f} µs CPU per row\n")
    for name in PEERS:
        way = report["ways"][name]
        speed = f"{way['faster']:5.1f}x rows/s by best run, {way['faster_by_median']:5.1f}x by median"
        print(f"ours against {name:24} {speed}; {way['less_cpu_by_median']:5.1f}x less CPU per row")
    print()
    for goal in report["goals"]:
        print(f"{goal.name:44} {goal.value:8.2f}   goal {goal.bound:6} {'ok' if goal.is_met else 'MISSED'}")


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="2 runs, 30 symbols for the peers")
    parser.add_argument("--runs", type=int, default=5, help="runs after the warm-up [default: 5]")
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    options = parser.parse_args()
    runs, sample_size = (2, 30) if options.quick else (options.runs, 80)
    if runs < 1:
        parser.error(f"--runs was {runs}, expected at least 1")
    with running("pages") as bench, running("postgres") as other:
        report = build_report(measure(bench, other, runs, sample_size))
    keep_if_recording(report["ways"], report["goals"])
    if options.json:
        print(json.dumps(report, indent=2, default=asdict))
    else:
        print_report(report)
    return 0 if all(goal.is_met for goal in report["goals"]) else 1


if __name__ == "__main__":
    sys.exit(main())
