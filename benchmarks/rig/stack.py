"""Servers of a benchmark's own: Valkey, PostgreSQL and the processes to measure, gone with the block."""

import itertools
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import psutil

from benchmarks.rig.load import Load, Request, build_request, run_load
from kaboom.cli.stack.migrate import migrate
from kaboom.cli.stack.whole import WORKER_OPTIONS
from kaboom.drivers.embedded.postgres_cluster import run_as
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_postgres, embed_valkey, free_port, is_free

ROOT = Path(__file__).resolve().parents[2]
INGEST = "/api/v1/ingest"
#: Nothing from the outside may lead the stack to other servers or other settings.
_FOREIGN = ("KABOOM_", "REDIS_", "CELERY_", "DATABASE_", "DISABLE_", "INGEST_")

_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Served:
    """A process that answers HTTP on a loopback port."""

    pid: int
    port: int
    token: str

    def cpu_s(self) -> float:
        """Return the CPU seconds of the process itself so far."""
        spent = psutil.Process(self.pid).cpu_times()
        return float(spent.user + spent.system)

    def measure(self, requests: Iterator[Request], *, connections: int) -> tuple[Load, float]:
        """Put a load on it; return what it took, and the microseconds of the server's CPU for each request."""
        before = self.cpu_s()
        load = run_load(self.port, requests, connections=connections)
        return load, (self.cpu_s() - before) / len(load.latencies_ms) * 1e6

    def get(self, target: str) -> Any:
        """Return the JSON of one path."""
        url, headers = f"http://127.0.0.1:{self.port}{target}", {"x-ingest-token": self.token}
        answer = httpx2.get(url, headers=headers, timeout=60, trust_env=False)
        return answer.raise_for_status().json()

    def gets(self, target: str, count: int) -> Iterator[Request]:
        """Yield requests for one path."""
        yield from [Request(build_request("GET", target, token=self.token))] * count

    def submissions(self, count: int, *, chunks: int = 0) -> Iterator[Request]:
        """Yield submissions, no two of the same request; a worker of no-ops makes `chunks` chunks of each."""
        for number in itertools.islice(_numbers, count):
            lookback, size = 1 + number // 999, 1 + number % 999
            body = b'{"intervals": {"1m": %d}, "market": "TSE_PRIME", "chunk_size": %d}'
            raw = body % (lookback, size * 100 + chunks)
            yield Request(build_request("POST", f"{INGEST}/run-daily", token=self.token, body=raw), 202)


@dataclass(slots=True)
class Bench:
    """Where everything runs, and what a process needs to know of it."""

    folder: Path
    env: dict[str, str]
    token: str
    #: The processes of the embedded servers, by name.
    pids: dict[str, int] = field(default_factory=dict)
    _processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    def serve(self, name: str) -> Served:
        """Start one of the APIs of `rig/serve.py`."""
        port = free_port()
        process = self._spawn(name, [sys.executable, "-m", "benchmarks.rig.serve", name, str(port)])
        served = Served(process.pid, port, self.token)
        self._wait(lambda: _answers(served), process, name)
        return served

    def work(self, api: Served, *, slots: int = 4, handlers: str = "none") -> "subprocess.Popen[bytes]":
        """Start a worker whose handlers do nothing, or `real` or `plain` ones; give it back to be stopped."""
        argv = [sys.executable, "-m", "celery", "-A", "benchmarks.rig.worker", "worker", *WORKER_OPTIONS]
        argv += [f"--concurrency={slots}", "--prefetch-multiplier=1", "--without-gossip", "--without-mingle"]
        env = {"KABOOM_BENCH_HANDLERS": handlers, "KABOOM_SLOTS": str(slots), "REMAP_SIGTERM": "SIGQUIT"}
        process = self._spawn("worker", argv, **env)
        self._wait(lambda: bool(api.get(f"{INGEST}/jobs/stats")["workers_online"]), process, "worker")
        return process

    def run_peer(self, *arguments: str) -> int:
        """Start one of the servers of `rig/peers.py`, named first; return its port."""
        port, (name, *rest) = free_port(), arguments
        process = self._spawn(name, [sys.executable, "-m", "benchmarks.rig.peers", name, str(port), *rest])
        self._wait(lambda: not is_free(port), process, name)
        return port

    def embed(self, server: EmbeddedServer) -> None:
        """Start an embedded server."""
        with self.log(server.name).open("ab") as log:
            process = subprocess.Popen(server.argv, stdout=log, stderr=log, **run_as(server.user, server.folder))
        self._processes.append(process)
        self.pids[server.name] = process.pid
        self._wait(server.is_ready, process, server.name)

    def run_module(self, name: str, module: str, *arguments: str, **env: str) -> "subprocess.Popen[bytes]":
        """Start a module of the benchmarks; give it back to be stopped."""
        return self._spawn(name, [sys.executable, "-m", module, *arguments], **env)

    def stop(self, process: "subprocess.Popen[bytes]") -> None:
        """Stop a process, and all that it started."""
        family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
        # Of PostgreSQL the fast way to stop; to the others it is a Ctrl-C.
        process.send_signal(signal.SIGINT)
        try:
            process.wait(15)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for left in psutil.wait_procs(family, timeout=2)[1]:
            left.kill()
        self._processes.remove(process)

    def stop_all(self) -> None:
        """Stop everything, the last started first."""
        for process in reversed(self._processes.copy()):
            self.stop(process)

    def log(self, name: str) -> Path:
        """Return where a process writes what it has to say."""
        return self.folder / f"{name}.log"

    def _spawn(self, name: str, argv: list[str], **env: str) -> "subprocess.Popen[bytes]":
        with self.log(name).open("ab") as log:
            process = subprocess.Popen(
                argv, env=self.env | env, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._processes.append(process)
        return process

    def _wait(self, is_ready: Callable[[], bool], process: "subprocess.Popen[bytes]", name: str) -> None:
        deadline = time.monotonic() + 60
        while not is_ready():
            if process.poll() is not None or time.monotonic() > deadline:
                sys.exit(f"{name} did not get ready: {self.log(name).read_text()[-2000:]}")
            time.sleep(0.02)


@contextmanager
def running(*, connections: int = 100) -> Iterator[Bench]:
    """Give an empty Valkey and a migrated, empty PostgreSQL; leave neither processes nor files behind."""
    # A plain SIGTERM would end this process without `finally`, and leave the servers running.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = Path(tempfile.mkdtemp(prefix="kaboom-bench-", dir="/tmp"))
    folder.chmod(0o755)  # as root, PostgreSQL runs as `nobody`, who must pass through
    token = secrets.token_urlsafe(32)
    env = {name: value for name, value in os.environ.items() if not name.startswith(_FOREIGN)}
    bench = Bench(folder, env, token)
    try:
        valkey, postgres = embed_valkey(folder), embed_postgres(folder)
        postgres = replace(postgres, argv=(*postgres.argv, "-c", f"max_connections={connections}"))
        for server in (valkey, postgres):
            bench.embed(server)
        migrate(postgres.url)
        bench.env |= {
            "PYTHONPATH": str(ROOT),
            "REDIS_URL": valkey.url,
            "NAIVE_REDIS_URL": valkey.url.removesuffix("/0") + "/1",
            "DATABASE_URL": postgres.url,
            "INGEST_API_TOKEN": token,
            "KABOOM_DATA_DIR": str(folder / "data"),
            "KABOOM_BAR_STORE": os.environ.get("KABOOM_BAR_STORE", "pages"),
            "KABOOM_RATE_LIMIT_READ": "off",
            "KABOOM_RATE_LIMIT_WRITE": "off",
        }
        yield bench
    finally:
        bench.stop_all()
        shutil.rmtree(folder, ignore_errors=True)


def poll[T](ask: Callable[[], T], wanted: Callable[[T], bool], *, within_s: float, every_s: float = 0.05) -> T:
    """Ask until the answer is as wanted; exit where it never is."""
    deadline = time.monotonic() + within_s
    while not wanted(answer := ask()):
        if time.monotonic() > deadline:
            sys.exit(f"was {answer} for {within_s:.0f} s")
        time.sleep(every_s)
    return answer


def _answers(served: Served) -> bool:
    try:
        run_load(served.port, served.gets("/openapi.json", 1), connections=1)
    except (OSError, RuntimeError):
        return False
    return True
