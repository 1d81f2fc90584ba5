"""A crowd of simulated workers on one Valkey and one PostgreSQL: connections, CPU of each server, chunks a second."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psutil
from redis import Redis

from benchmarks.rig.meter import look, spent
from benchmarks.rig.scale_ledger import OWNER, ask, connect
from benchmarks.rig.stack import Bench
from kaboom.catalog import CATALOG
from kaboom.ingest.jobs import RUN_DAILY
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import build_parts
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.redis.keys import WORKERS
from kaboom.settings import AppSettings

#: Simulated workers in a process.
_GROUP = 10
_ERRORS = ("chunk_not_claimed", "sweep_failed", "end_not_kept", "firing_failed", "chunk_waiting", "chunk_broken")


@dataclass(frozen=True, slots=True)
class Spell:
    """What a crowd did in a while: CPU in percent of a core, chunks a second, and the connections at its end."""

    workers: int
    chunks: float
    valkey_cpu: float
    postgres_cpu: float
    workers_cpu: float
    commands: float
    redis_connections: int
    postgres_connections: int
    errors: int


class Crowd:
    """Workers that run until the block ends."""

    def __init__(self, bench: Bench, workers: int, *, chunk_s: float, database_url: str) -> None:
        self._bench, self.workers = bench, workers
        self._valkey: Any = Redis.from_url(bench.env["REDIS_URL"], decode_responses=True)
        self._postgres = psutil.Process(bench.pids["postgres"])
        # Opened before the workers take them all.
        self._ledger = connect(bench.env["DATABASE_URL"])
        groups = [_GROUP] * (workers // _GROUP) + [workers % _GROUP] * bool(workers % _GROUP)
        env = {"KABOOM_BENCH_CHUNK_S": str(chunk_s), "DATABASE_URL": database_url}
        self._valkey.flushall()
        self._ledger.execute("TRUNCATE jobs, job_chunks CASCADE")
        module = "benchmarks.rig.scale_workers"
        self._log = f"crowd-{workers}-{uuid4().hex[:4]}"
        self._processes = [bench.run_module(self._log, module, str(count), **env) for count in groups]

    def wait(self, within_s: float) -> bool:
        """Wait until all workers report, and return whether they do: one without its connections may not."""
        deadline = time.monotonic() + within_s
        while int(self._valkey.zcard(WORKERS)) < self.workers:
            if time.monotonic() > deadline:
                return False
            time.sleep(0.5)
        return True

    def spell(self, seconds: float) -> Spell:
        """Look at what goes on for a while."""
        before, cpu, done, began = look(self._valkey), self._cpu(), self._chunks(), time.perf_counter()
        errors, connections = self._errors(), 0
        while (left := seconds - (time.perf_counter() - began)) > 0:
            connections = max(connections, self._connections())
            time.sleep(min(left, 1.0))
        took = time.perf_counter() - began
        of_valkey, cpu_now = spent(before, look(self._valkey)), self._cpu()
        share = 100 / took
        return Spell(
            workers=self.workers,
            chunks=(self._chunks() - done) / took,
            valkey_cpu=of_valkey.cpu_ms / 1000 * share,
            postgres_cpu=(cpu_now[0] - cpu[0]) * share,
            workers_cpu=(cpu_now[1] - cpu[1]) * share,
            commands=of_valkey.commands / took,
            redis_connections=int(self._valkey.info("clients")["connected_clients"]),
            postgres_connections=connections,
            errors=self._errors() - errors,
        )

    def stop(self) -> None:
        """End the workers."""
        for process in self._processes:
            self._bench.stop(process)
        self._ledger.close()

    def submit(self, jobs: int) -> None:
        """Submit so many days of 4,000 symbols."""
        asyncio.run(_submit(self._bench, jobs))

    def _cpu(self) -> tuple[float, float]:
        own = self._postgres.cpu_times()
        live = sum(_cpu_s(child) for child in self._postgres.children())
        postgres = own.user + own.system + own.children_user + own.children_system + live
        return postgres, sum(_cpu_s(psutil.Process(process.pid)) for process in self._processes)

    def _chunks(self) -> int:
        return ask(self._ledger, "SELECT count(*) FROM job_chunks WHERE state = 'done'")

    def _connections(self) -> int:
        return ask(self._ledger, "SELECT count(*) - 1 FROM pg_stat_activity WHERE backend_type = 'client backend'")

    def _errors(self) -> int:
        text = self._bench.log(self._log).read_text(errors="replace")
        return sum(text.count(word) for word in _ERRORS)


def _cpu_s(process: psutil.Process) -> float:
    try:
        times = process.cpu_times()
    except psutil.NoSuchProcess:
        return 0.0
    return float(times.user + times.system)


@contextmanager
def crowd(bench: Bench, workers: int, *, chunk_s: float, database_url: str = "") -> Iterator[Crowd]:
    """Give a crowd of workers that take `chunk_s` for each chunk."""
    made = Crowd(bench, workers, chunk_s=chunk_s, database_url=database_url or bench.env["DATABASE_URL"])
    try:
        yield made
    finally:
        made.stop()


async def _submit(bench: Bench, jobs: int) -> None:
    settings = AppSettings.model_validate({name: bench.env[name] for name in ("REDIS_URL", "DATABASE_URL")})
    parts = build_parts(settings, CATALOG, role="api")
    request = {"intervals": {"1d": 1, "1m": 1}, "market": "TSE_PRIME"}
    for _ in range(jobs):
        await Jobs(parts).submit(RUN_DAILY, request, owner=OWNER, terms=Terms(uuid4().hex))
    await parts.close()
