"""What every test may ask for."""

import gc
import os
import sys
import uuid
from collections.abc import AsyncIterator, Generator, Iterator
from pathlib import Path

import httpx2
import pytest
from fastapi import FastAPI
from hypothesis import settings

from kaboom.jobs.engine.parts import Parts
from kaboom.settings import load_settings
from tests.fixtures.jobs.apps import client_of, empty_servers, memory_settings, running
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.patience import crowd
from tests.fixtures.servers.servers import Servers, fresh_database, open_folder, shared_servers, stop_servers

# The code under test runs with one polars thread in a worker, too.
os.environ.setdefault("POLARS_MAX_THREADS", "1")
for _name in (
    "REDIS_URL", "DATABASE_URL", "INGEST_API_TOKEN", "KABOOM_DATA_DIR", "KABOOM_API_URL", "INFLUXDB_HOST",
    "JQUANTS_API_KEY", "YAHOO_ENABLED", "KABOOM_SECRET_PROJECT", "KABOOM_SECRET_PREFIX",
):  # fmt: skip
    os.environ.pop(_name, None)

# The first example pays for caches, and the machine is shared: how long one takes proves nothing.
settings.register_profile("kaboom", deadline=None)
settings.load_profile("kaboom")

#: Folders and files that take long, the longest first, and the share of the run in which they begin.
_LONG = ("openapi", "test_matrix.py", "test_attacks.py", "test_commands.py")
_SPREAD = 0.8
# Until the tests are collected: it would walk them again and again, for a fifth of that time.
gc.disable()


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder that all processes of this run share."""
    if not hasattr(config, "workerinput"):
        os.environ["KABOOM_TEST_ROOT"] = _make_root()


def pytest_unconfigure(config: pytest.Config) -> None:
    """Stop what the run has started."""
    if not hasattr(config, "workerinput"):
        root = Path(os.environ.pop("KABOOM_TEST_ROOT"))
        stop_servers(root)
        for leftover in root.iterdir():
            leftover.unlink()
        root.rmdir()


def _make_root() -> str:
    root = Path("/tmp") / f"kaboom-run-{uuid.uuid4().hex[:12]}"
    root.mkdir(mode=0o700)
    return str(root)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Use one worker more than there are cores: while a test waits for a process, another has its core."""
    return (os.cpu_count() or 1) + 1


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Spread long files over the run, but not its end, where one would run alone.

    Most of them wait for processes, and other files use the cores meanwhile.
    """
    files = list(dict.fromkeys(item.path for item in items))
    long = [path for part in _LONG for path in files if part in path.parts]
    others = [path for path in files if path not in long]
    places = {path: float(n) for n, path in enumerate(others)}
    every = _SPREAD * len(others) / max(len(long), 1)
    places |= {path: n * every - 0.5 for n, path in enumerate(long)}
    items.sort(key=lambda item: places[item.path])


def pytest_collection_finish() -> None:
    """Keep the garbage collector from walking what was collected, 700,000 objects, again and again."""
    gc.freeze()
    gc.enable()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Give a test more time on a busy machine: before pytest-timeout reads the limit."""
    if (times := crowd()) > 1:
        own = item.get_closest_marker("timeout")
        limit_s = own.args[0] if own else item.config.getoption("--timeout")
        item.add_marker(pytest.mark.timeout(limit_s * times), append=False)
    return (yield)


@pytest.fixture(scope="module", autouse=True)
def _empty_memory_stores() -> Iterator[None]:
    """Drop the bars in memory after each file: a mirror of what thousands of tests wrote takes seconds."""
    yield
    if opened := sys.modules.get("kaboom.bars.open"):
        opened._memory_store.cache_clear()
        opened._memory_actions.cache_clear()


@pytest.fixture
def anyio_backend() -> str:
    """Tests marked `anyio` run on asyncio, as Kaboom does."""
    return "asyncio"


@pytest.fixture
def parts() -> Parts:
    """The parts of a process, with memory twins throughout."""
    return memory_parts(load_settings(bar_store="memory", provider="synthetic"))


@pytest.fixture(scope="session")
def servers() -> Servers:
    """A real Valkey and a real PostgreSQL, shared by the whole run."""
    return shared_servers(Path(os.environ["KABOOM_TEST_ROOT"]))


@pytest.fixture(scope="session")
def database_url(servers: Servers) -> Iterator[str]:
    """A migrated database of this test process."""
    with fresh_database(servers) as url:
        yield url


@pytest.fixture(scope="session")
def redis_url(servers: Servers) -> str:
    """A Redis database of this test process."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    return servers.redis_url.removesuffix("/0") + f"/{1 + int(worker) % 14}"


@pytest.fixture
def open_tmp() -> Iterator[Path]:
    """A temporary folder that PostgreSQL may enter also when the tests run as root."""
    with open_folder() as folder:
        yield folder


@pytest.fixture
async def app(tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API with everything in memory, and workers in its process."""
    async with running(memory_settings(tmp_path)) as app:
        yield app


@pytest.fixture
async def http(app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it, with the token."""
    async with client_of(app) as client:
        yield client


@pytest.fixture
async def real_app(redis_url: str, database_url: str, tmp_path: Path, anyio_backend: str) -> AsyncIterator[FastAPI]:
    """The API on an empty Redis and an empty ledger; no worker takes what it queues."""
    async with running(await empty_servers(redis_url, database_url, tmp_path)) as app:
        yield app


@pytest.fixture
async def real_http(real_app: FastAPI) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of it, with the token."""
    async with client_of(real_app) as client:
        yield client


@pytest.fixture
def owner() -> str:
    """An owner that no other test has."""
    return f"team-{uuid.uuid4().hex[:8]}"
