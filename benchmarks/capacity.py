"""What a job, a chunk and an idle process cost Redis, and what one Redis carries.

Usage: python benchmarks/capacity.py [--quick] [--json]

On a real Valkey, by its own counters (INFO): commands, those inside scripts among them, round trips, CPU, bytes on the
wire and bytes in memory. First of nothing at all, of one idle API and of one idle worker of four slots; then of jobs
whose handlers do nothing, of 1 and of 16 chunks, which queue up before the worker comes; then of the real main job
(TSE Prime, one session of 1-minute bars), with its heartbeats, events, logs, messages and result. What an idle system
spends in the same time is taken off. From these it computes what 1 GB holds and what 1, 10 and 100 workers ask for.

The peer is a bound, not a service: each figure is held against the limit that decision 0031 names. Exits with 1 when
one is exceeded.
"""

import argparse
import re
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from redis import Redis

from benchmarks.jobs import run_job
from benchmarks.rig.goals import Goal, report
from benchmarks.rig.meter import Spent, while_doing
from benchmarks.rig.stack import Bench, Served, poll, running
from kaboom.jobs.engine.message import list_key
from kaboom.jobs.redis import keys

DECISION = Path(__file__).resolve().parents[1] / "docs/decisions/0031-redis-beyond-one-node.md"
QUEUE = "ingest"
CHUNKS = 16
_REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}
#: Of the instance's memory, what is left to use before the alert of 70 %; and how full one core of Redis may be.
_USABLE_BYTES = 0.7 * 2**30
_USABLE_CPU = 0.7
#: A worker of four slots does a main job in this time from a provider 50 ms away, as `latency.py` measures.
_BUSY_JOB_S = 2.0
_RECORD_DAYS, _REST_DAYS, _RESULT_DAYS = 30, 7, 1


@dataclass(frozen=True, slots=True)
class Kept:
    """Bytes in memory of one finished main job, by how long they stay."""

    record: int
    rest: int
    result: int
    chunks: int

    @property
    def day_bytes(self) -> int:
        """What one such job a day amounts to, for ever."""
        return self.record * _RECORD_DAYS + self.rest * _REST_DAYS + self.result * _RESULT_DAYS


@dataclass(frozen=True, slots=True)
class Figures:
    """Everything that was measured; `idle` costs are of one second of one process, without the server's own."""

    idle_api: Spent
    idle_worker: Spent
    api_connections: int
    worker_connections: int
    queued_bytes: float
    message_bytes: float
    job: Spent
    chunk: Spent
    day: Spent
    kept: Kept


class Capacity:
    """A measurement: one API, one worker at a time, one Valkey."""

    def __init__(self, bench: Bench, *, seconds: float, jobs: int, days: int) -> None:
        self._bench = bench
        self._seconds, self._jobs, self._days = seconds, jobs, days
        self._valkey: Any = Redis.from_url(bench.env["REDIS_URL"], decode_responses=True)

    def measure(self) -> Figures:
        """Measure everything, in turn."""
        nothing, alone = self._idle(), self._connections()
        api = self._bench.serve("ours")
        with_api, api_connections = self._idle(), self._connections() - alone
        queued = while_doing(self._valkey, lambda: self._submit(api, self._jobs, chunks=1))
        message_bytes = self._valkey.memory_usage(list_key(QUEUE), samples=0) / self._jobs
        worker = self._bench.work(api)
        self._wait_empty()
        small, large = (
            self._run_jobs(api, count, chunks) for count, chunks in ((self._jobs, 1), (self._jobs // 4, CHUNKS))
        )
        with_both, connections = self._idle(), self._connections()
        self._bench.stop(worker)
        one, many = small.minus(with_both).each(self._jobs), large.minus(with_both).each(self._jobs // 4)
        chunk = many.less(one).each(CHUNKS - 1)
        day, kept = self._run_days(api, with_both)
        self._valkey.close()
        return Figures(
            idle_api=with_api.minus(nothing).each(with_api.seconds),
            idle_worker=with_both.minus(with_api).each(with_both.seconds),
            api_connections=api_connections,
            worker_connections=connections - alone - api_connections,
            queued_bytes=queued.memory_bytes / self._jobs,
            message_bytes=message_bytes,
            job=one.less(chunk),
            chunk=chunk,
            day=day,
            kept=kept,
        )

    def _idle(self) -> Spent:
        # What has just begun or ended settles first.
        time.sleep(2)
        return while_doing(self._valkey, lambda: time.sleep(self._seconds))

    def _connections(self) -> int:
        return int(self._valkey.info("clients")["connected_clients"])

    def _submit(self, api: Served, count: int, *, chunks: int) -> None:
        api.measure(api.submissions(count, chunks=chunks), connections=4)

    def _run_jobs(self, api: Served, count: int, chunks: int) -> Spent:
        def work() -> None:
            self._submit(api, count, chunks=chunks)
            self._wait_empty()

        return while_doing(self._valkey, work)

    def _wait_empty(self) -> None:
        poll(lambda: self._valkey.zcard(keys.active(QUEUE)), lambda left: left == 0, within_s=600, every_s=0.5)

    def _run_days(self, api: Served, idle: Spent) -> tuple[Spent, Kept]:
        """Run the real main job some times; return what each cost, and what the last one left."""
        worker = self._bench.work(api, handlers="plain")
        found: dict[str, Any] = {}

        def work() -> None:
            for _ in range(self._days):
                found.update(run_job(api, _REQUEST))

        # The first ones of each child import what they need.
        run_job(api, _REQUEST)
        spent = while_doing(self._valkey, work).minus(idle).each(self._days)
        # Its last log lines are written half a second later.
        time.sleep(2)
        kept = self._weigh(found["job_id"])
        self._bench.stop(worker)
        return spent, kept

    def _weigh(self, job_id: str) -> Kept:
        def weigh(key: str) -> int:
            return int(self._valkey.memory_usage(key, samples=0) or 0)

        rest = (keys.chunks(QUEUE, job_id), keys.events(QUEUE, job_id), keys.logs(QUEUE, job_id))
        return Kept(
            record=weigh(keys.job(QUEUE, job_id)),
            rest=sum(map(weigh, rest)),
            result=weigh(keys.celery_result(job_id)),
            chunks=int(self._valkey.hget(keys.job(QUEUE, job_id), "chunks_total")),
        )


def model(f: Figures) -> dict[str, float]:
    """Return what follows from the figures, each under the name that decision 0031 has for it."""
    return {
        "idle API, commands/s": f.idle_api.commands,
        "idle worker, commands/s": f.idle_worker.commands,
        "idle worker, CPU ms/s": f.idle_worker.cpu_ms,
        "worker of 4 slots, connections": f.worker_connections,
        "job of no chunk, commands": f.job.commands,
        "chunk, commands": f.chunk.commands,
        "chunk, CPU ms": f.chunk.cpu_ms,
        "TSE Prime day, chunks": f.kept.chunks,
        "TSE Prime day, commands": f.day.commands,
        "TSE Prime day, round trips": f.day.trips,
        "TSE Prime day, CPU ms": f.day.cpu_ms,
        "TSE Prime day, kB kept for 30 days": f.kept.record / 1000,
        "TSE Prime day, kB kept for 7 days": f.kept.rest / 1000,
        "queued job, kB": f.queued_bytes / 1000,
        "message, kB": f.message_bytes / 1000,
        "jobs a day that 1 GB keeps": _USABLE_BYTES / f.kept.day_bytes,
        "queued jobs that 1 GB holds": _USABLE_BYTES / f.queued_bytes,
        "TSE Prime days a second to a core": _USABLE_CPU * 1000 / f.day.cpu_ms,
        "idle workers to a core": _USABLE_CPU * 1000 / f.idle_worker.cpu_ms,
    }


def scales(f: Figures) -> Iterator[tuple[str, Mapping[str, float]]]:
    """Yield what 1, 10 and 100 workers ask for, with an API to ten of them: idle, and all at work without a pause."""
    for workers in (1, 10, 100):
        apis = max(1, workers // 10)
        idle = apis * f.idle_api.commands + workers * f.idle_worker.commands
        idle_cpu = apis * f.idle_api.cpu_ms + workers * f.idle_worker.cpu_ms
        busy, busy_cpu = (workers * each / _BUSY_JOB_S for each in (f.day.commands, f.day.cpu_ms))
        yield (
            f"{workers} workers, {apis} APIs",
            {
                "idle cmd/s": idle,
                "idle CPU %": idle_cpu / 10,
                "busy cmd/s": idle + busy,
                "busy CPU %": (idle_cpu + busy_cpu) / 10,
                "connections": apis * f.api_connections + workers * f.worker_connections,
                "MB, 100 jobs": workers * 100 * f.kept.day_bytes / 1e6,
            },
        )


def load_limits() -> dict[str, tuple[str, float]]:
    """Return the limits of the decision record's table: name → `≤` or `≥`, and the number."""
    rows = re.findall(r"^\| ([^|]+?) \| [^|]+ \| ([≤≥]) ([\d,.]+) \|$", DECISION.read_text("utf-8"), re.MULTILINE)
    return {name: (sign, float(number.replace(",", ""))) for name, sign, number in rows}


def judge(found: Mapping[str, float]) -> list[Goal]:
    """Return a goal for each limit; one of a figure that is not measured, or without a limit, is an error."""
    limits = load_limits()
    if set(limits) != set(found):
        sys.exit(f"limits of {DECISION.name} and figures differ: {sorted(set(limits) ^ set(found))}")
    return [
        Goal(name, found[name], **{"most" if sign == "≤" else "least": number})
        for name, (sign, number) in limits.items()
    ]


def main() -> int:
    """Measure, report, and return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="fewer jobs, and shorter looks at what is idle")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")
    options = parser.parse_args()
    with running() as bench:
        seconds, jobs, days = (5.0, 200, 2) if options.quick else (15.0, 1000, 5)
        figures = Capacity(bench, seconds=seconds, jobs=jobs, days=days).measure()
    return report(dict(scales(figures)), judge(model(figures)), as_json=options.json)


if __name__ == "__main__":
    sys.exit(main())
