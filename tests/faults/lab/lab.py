"""One whole Kaboom in processes of its own, each of which a test may kill, freeze or cut off."""

import json
import os
import random
import shutil
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import redis

from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.bars.store import BarStore
from kaboom.cli.stack.whole import worker_argv
from kaboom.drivers.embedded.servers import embed_valkey, free_port
from kaboom.drivers.postgres.blocking import BlockingDatabase
from tests.faults.lab.client import Caller, Requests
from tests.faults.lab.ledger import Ledger, open_ledger
from tests.faults.lab.process import Process, Spec
from tests.faults.lab.proxy import FaultProxy
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.servers import Servers, fresh_database, open_folder
from tests.fixtures.servers.stacks import KABOOM, clean_environment, until
from tests.fixtures.servers.valkeys import Watched

#: The queues that the lab runs jobs on.
QUEUES = ("ingest", "market_data", "backtest", "ai_analysis")
#: Where chunks stand that run, wait or are announced, and jobs that are not over: all empty when nothing runs.
SETS = tuple(f"{queue}:{name}" for queue in QUEUES for name in ("leases", "dispatch", "active"))
_INJECT = Path(__file__).parents[1] / "inject"


@dataclass(frozen=True)
class Size:
    """How large a lab is, and what its processes suffer from their first moment on."""

    apis: int = 1
    workers: int = 1
    #: Pool processes of each worker.
    slots: int = 2
    #: Bars in a chunk, about; a symbol of the lab's requests has some twenty.
    chunk_bars: int = 60
    #: Symbols that a roll-up settles at a time.
    slice_symbols: int = 1
    stall_s: float | None = None
    #: Whether workers have a port for health and metrics.
    has_side_ports: bool = False
    api_skew_s: float = 0.0
    worker_skew_s: float = 0.0
    #: Whether PostgreSQL is the lab's own, to be killed, frozen or filled.
    has_ledger: bool = False
    #: Further settings of APIs and workers.
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Lab:
    """The processes, the proxies between them and Redis, and a caller."""

    folder: Path
    database_url: str
    size: Size
    valkey: Process
    valkey_url: str
    #: Between the workers and Redis, and between the APIs and Redis.
    worker_link: FaultProxy
    api_link: FaultProxy
    apis: list[Process] = field(default_factory=list)
    workers: list[Process] = field(default_factory=list)
    requests: Requests = field(default_factory=Requests)
    #: Jobs that were accepted before Redis lost what it held.
    forgotten: set[str] = field(default_factory=set)
    #: What stands in the place of the one Redis, where it is to fail over.
    watched: Watched | None = None
    #: The lab's own PostgreSQL, if it has one.
    ledger: Ledger | None = None

    def __post_init__(self) -> None:
        """Connect."""
        # redis-py annotates answers for text and bytes at once.
        self.redis: Any = (
            self.watched.connect() if self.watched else redis.Redis.from_url(self.valkey_url, decode_responses=True)
        )
        self.plan()

    @property
    def data_dir(self) -> Path:
        """Where the bars are kept."""
        return self.folder / "data"

    def open_bars(self) -> BarStore:
        """Return the store of the bars, to be closed by whoever asks."""
        if self.size.env.get("KABOOM_BAR_STORE") == "postgres":
            return PostgresBarStore(BlockingDatabase(self.database_url, application_name="lab"))
        return PageBarStore(self.data_dir / "bars")

    @property
    def servers(self) -> list[Process]:
        """What Redis is made of."""
        return self.watched.processes if self.watched else [self.valkey]

    @property
    def worker(self) -> Process:
        """The first worker."""
        return self.workers[0]

    @property
    def api(self) -> Process:
        """The first API."""
        return self.apis[0]

    def plan(self, **faults: Any) -> None:
        """Say what processes suffer from now on; see `inject/sitecustomize.py`."""
        path = self.folder / "faults.json"
        path.with_suffix(".tmp").write_text(json.dumps(faults))
        path.with_suffix(".tmp").replace(path)

    def start(self) -> None:
        """Start everything."""
        self.caller = Caller(self._urls[0])
        for process in (*self.apis, *self.workers):
            process.spawn()
        for process in (*self.apis, *self.workers):
            process.wait_ready()

    def build_processes(self) -> None:
        """Lay out APIs and workers, none of them started."""
        ports = [free_port() for _ in range(self.size.apis)]
        self._urls = [f"http://127.0.0.1:{port}" for port in ports]
        self.apis = [self._api(n, port) for n, port in enumerate(ports, 1)]
        self.side_ports = [free_port() for _ in range(self.size.workers)] if self.size.has_side_ports else []
        self.workers = [self._worker(n) for n in range(1, self.size.workers + 1)]

    def url(self, n: int = 0) -> str:
        """Return the address of an API."""
        return self._urls[n]

    def kill_valkey(self) -> None:
        """Kill Redis; what it acknowledged is in its append-only file."""
        self.valkey.kill()

    def kill_child(self, draw: random.Random) -> None:
        """Kill a process of a worker's pool; the worker makes another."""
        children = [pid for worker in self.workers for pid in worker.children()]
        with suppress(ProcessLookupError):
            os.kill(draw.choice(children), signal.SIGKILL)

    def empty_valkey(self) -> None:
        """Drop what a killed Redis kept: it will start as a new one."""
        shutil.rmtree(self._append_only)
        self.forget()

    def save_valkey(self) -> Path:
        """Return a copy of what Redis has on disk now, as a replica that lags behind would have it."""
        copy = self.folder / "replica"
        shutil.rmtree(copy, ignore_errors=True)
        # A fresh file that holds everything, complete to its end.
        self.redis.bgrewriteaof()
        until(lambda: self.redis.info("persistence")["aof_rewrite_in_progress"], lambda busy: not busy, within_s=20)
        shutil.copytree(self._append_only, copy)
        return copy

    def roll_back_valkey(self, copy: Path) -> None:
        """Have a killed Redis start from an earlier state, as after a failover that lost the last writes."""
        shutil.rmtree(self._append_only)
        copy.rename(self._append_only)
        self.forget()

    def forget(self) -> None:
        """Note that Redis may have lost the finished ones of the jobs accepted so far."""
        self.forgotten |= {a.job_id for a in self.caller.attempts if a.job_id}

    @property
    def _append_only(self) -> Path:
        return self.folder / "data/valkey/appendonlydir"

    def now_ms(self) -> int:
        """Return the time of Redis, the only clock that leases know."""
        seconds, micros = self.redis.time()
        return int(seconds * 1000 + micros // 1000)

    def doctor(self) -> dict[str, str]:
        """Return what `kaboom doctor` says of each part: `ok`, `warning` or `fault`."""
        env = {**self.api.spec.env, "KABOOM_API_URL": self.url()}
        done = subprocess.run((*KABOOM, "doctor", "--json"), env=env, capture_output=True, check=False, timeout=60)
        return {finding["part"]: finding["verdict"] for finding in json.loads(done.stdout)}

    def heal(self) -> None:
        """End every fault, and start what is dead."""
        self.plan()
        for link in (self.worker_link, self.api_link):
            link.heal()
        if self.ledger:
            self.ledger.heal()
        for process in (*self.servers, *self.apis, *self.workers):
            if process.is_alive:
                process.thaw()
            else:
                process.kill()
                process.spawn()
        for process in (*self.servers, *self.apis, *self.workers):
            process.wait_ready()
        self.redis.config_set("maxmemory", 0)

    def stop(self) -> None:
        """Stop everything."""
        if hasattr(self, "caller"):
            self.caller.close()
        self.redis.close()
        for process in (*self.workers, *self.apis, *self.servers):
            process.stop()
        for link in (self.worker_link, self.api_link):
            link.close()

    def _environment(self, role: str, link: FaultProxy) -> dict[str, str]:
        port = str(self.valkey_url).rpartition(":")[2].partition("/")[0]
        redis_url = self.valkey_url.replace(f":{port}/", f":{link.port}/")
        return clean_environment(
            REDIS_URL=self.watched.url if self.watched else redis_url,
            DATABASE_URL=self.database_url,
            INGEST_API_TOKEN=TOKEN,
            KABOOM_DATA_DIR=str(self.data_dir),
            KABOOM_SLOTS=str(self.size.slots * self.size.workers),
            POLARS_MAX_THREADS="1",
            REMAP_SIGTERM="SIGQUIT",
            PYTHONPATH=os.pathsep.join([str(_INJECT), *filter(None, [os.environ.get("PYTHONPATH")])]),
            FAULT_PLAN=str(self.folder / "faults.json"),
            FAULT_ROLE=role,
            **{"KABOOM_BAR_STORE": "pages", **self.size.env},
        )

    def _api(self, n: int, port: int) -> Process:
        env = self._environment("api", self.api_link)
        if self.size.api_skew_s:
            env["FAULT_SKEW_S"] = str(self.size.api_skew_s)

        def is_ready(_pid: int) -> bool:
            with suppress(httpx2.HTTPError):
                return httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2, trust_env=False).status_code == 200
            return False

        argv = (*KABOOM, "serve", "--port", str(port))
        return Process(Spec(f"api-{n}", argv, self.folder / f"api-{n}.log", is_ready, env))

    def _worker(self, n: int) -> Process:
        env = self._environment("worker", self.worker_link) | {
            "FAULT_CHUNK_BARS": str(self.size.chunk_bars),
            "FAULT_SLICE_SYMBOLS": str(self.size.slice_symbols),
        }
        if self.size.stall_s:
            env["FAULT_STALL_S"] = str(self.size.stall_s)
        if self.side_ports:
            env["KABOOM_SIDE_PORT"] = str(self.side_ports[n - 1])
        if self.size.worker_skew_s:
            env["FAULT_SKEW_S"] = str(self.size.worker_skew_s)

        def is_ready(pid: int) -> bool:
            return any(f":{pid}-" in name for name in self.redis.zrange("kaboom:workers", 0, -1))

        argv = (*worker_argv(self.size.slots), f"--hostname=lab-{n}@%h", "--without-gossip", "--without-mingle")
        return Process(Spec(f"worker-{n}", argv, self.folder / f"worker-{n}.log", is_ready, env))


@contextmanager
def open_lab(servers: Servers, size: Size | None = None, *, is_started: bool = True) -> Iterator[Lab]:
    """Give a running lab; whatever happens, none of its processes outlives the block."""
    size = size or Size()
    with open_folder() as folder, ExitStack() as stack:
        ledger = stack.enter_context(open_ledger(folder)) if size.has_ledger else None
        database_url = ledger.url if ledger else stack.enter_context(fresh_database(servers))
        (folder / "data").mkdir()
        server = embed_valkey(folder / "data")
        valkey = Process(Spec("valkey", server.argv, folder / "valkey.log", lambda _: server.is_ready()))
        port = int(server.url.rpartition(":")[2].partition("/")[0])
        valkey.start()
        link, other = FaultProxy(port), FaultProxy(port)
        lab = Lab(folder, database_url, size, valkey, server.url, link, other, ledger=ledger)
        yield from _running(lab, is_started=is_started)


@contextmanager
def open_watched_lab(servers: Servers, size: Size) -> Iterator[Lab]:
    """Give a running lab whose Redis is a master, two replicas and three sentinels, without proxies between."""
    with open_folder() as folder, fresh_database(servers) as database_url:
        (folder / "data").mkdir()
        watched = Watched(folder)
        node = watched.nodes[0]
        link, other = FaultProxy(node.port), FaultProxy(node.port)
        lab = Lab(folder, database_url, size, node.process, node.url, link, other, watched=watched)
        watched.start()
        yield from _running(lab)


def _running(lab: Lab, *, is_started: bool = True) -> Iterator[Lab]:
    try:
        lab.build_processes()
        if is_started:
            lab.start()
        yield lab
    finally:
        lab.stop()


def wait_quiet(lab: Lab, *, within_s: float = 60.0) -> None:
    """Wait until no chunk runs, waits or is announced: the moment to audit."""

    def left() -> list[str]:
        names = [f"{key}={n}" for key in SETS if (n := lab.redis.zcard(key))]
        return names + [f"{queue} messages={n}" for queue in QUEUES if (n := lab.redis.llen(f"celery:{queue}"))]

    until(left, lambda names: not names, within_s=within_s, every_s=0.1)
