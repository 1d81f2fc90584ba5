"""The compiler of a worker runs beside its jobs, and ends with the worker."""

import asyncio
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from kaboom.backtest.engine.kernel_build import PROGRAM, kernel_lock
from kaboom.backtest.engine.kernel_cache import kernel_folder, mark_built
from kaboom.worker.main_process import compile_kernel
from tests.fixtures.servers.stacks import until
from tests.fixtures.workers.workers import Place, worker


@pytest.fixture
def place(redis_url: str, database_url: str, tmp_path: Path) -> Place:
    """Where the worker runs, with nothing in its Redis and its ledger."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushdb()
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("TRUNCATE jobs, idempotency_keys CASCADE")
    return Place(redis_url, database_url, tmp_path)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder for machine code, without any."""
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "cache"))
    found = kernel_folder()
    assert found is not None
    return found


def compilers(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if PROGRAM in child.cmdline()]


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_worker_compiles_at_its_start_and_the_compiler_ends_with_it(place: Place, folder: Path, end: str) -> None:
    # Held, so that the compiler waits for as long as the test takes.
    with kernel_lock(folder), worker(place, concurrency=1) as running:
        (compiler,) = until(lambda: compilers(running.process.pid), bool, within_s=30)
        assert running.get("/readyz")[0] == 200
        if end == "stop":
            assert running.stop() == 0
        else:
            running.process.kill()
        compiler.wait(30)


@pytest.mark.parametrize("reason", ["another queue", "built", "no numba"])
def test_a_worker_that_needs_no_compiler_starts_none(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reason: str
) -> None:
    started: list[object] = []

    async def note(*command: object, **_: object) -> None:
        started.append(command)
        raise OSError

    monkeypatch.setattr(asyncio, "create_subprocess_exec", note)
    if reason == "built":
        mark_built(folder)
    if reason == "no numba":
        monkeypatch.setattr("kaboom.worker.main_process.has_numba", lambda: False)
    asyncio.run(compile_kernel(["ingest"] if reason == "another queue" else ["ingest", "backtest"]))
    assert started == []
