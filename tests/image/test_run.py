"""API and worker from one image: confined, talking through servers outside, one real ingest, a clean end."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import httpx2
import psycopg
import pytest

from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.drivers.embedded.servers import free_port
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.bars.bar_store import run
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.repo.containers import Container, Podman
from tests.fixtures.servers.outside import USER, Outside, outside
from tests.fixtures.servers.servers import Servers
from tests.fixtures.servers.stacks import Api, until

SESSION = "2025-11-04"
SYMBOLS = ["7203", "6758", "9984", "8306", "130A"]
#: As the tour gives it.
WORKER = (
    "celery", "-A", "app.tasks.celery_app", "worker", "--loglevel=info",
    "--queues=ingest,ai_analysis,backtest,market_data,notifications", "--concurrency=4", "--prefetch-multiplier=1",
)  # fmt: skip
#: Devices, which are no files, apart.
WRITABLE = """
import os
for top, folders, files in os.walk('/'):
    folders[:] = [f for f in folders if os.path.join(top, f) not in ('/proc', '/sys', '/dev', '/tmp')]
    for path in (top, *(os.path.join(top, f) for f in files)):
        if os.access(path, os.W_OK) and not os.path.islink(path):
            print(path)
"""


@contextmanager
def running(podman: Podman, image: str, *command: str, options: tuple[str, ...]) -> Iterator[Container]:
    container = podman.start(image, f"{command[0]}-{free_port()}", *command, options=options)
    try:
        yield container
    except BaseException as e:
        e.add_note(container.log())
        raise
    finally:
        podman.call("rm", "--force", "--time=0", container.name)


def answer(url: str) -> int:
    try:
        return httpx2.get(url, timeout=10, trust_env=False).status_code
    except httpx2.HTTPError:
        return 0


@pytest.fixture(scope="module")
def ledger(podman: Podman, image: str, servers: Servers, redis_url: str) -> Iterator[Outside]:
    with outside(servers, redis_url) as found:
        # The second time there is nothing to do, and that is no error.
        for _ in range(2):
            podman.run_once(image, "kaboom", "migrate", options=found.options())
        yield found


@contextmanager
def serving(podman: Podman, image: str, outside: Outside) -> Iterator[Container]:
    port = free_port()
    options = outside.options(PORT=str(port), INGEST_API_TOKEN=TOKEN)
    with running(podman, image, "kaboom", "serve", "--host", "127.0.0.1", options=options) as container:
        until(lambda: answer(f"http://127.0.0.1:{port}/readyz"), lambda code: code == 200, within_s=90)
        assert answer(f"http://127.0.0.1:{port}/healthz") == 200
        yield container


@pytest.fixture(scope="module")
def api(podman: Podman, image: str, ledger: Outside) -> Iterator[Container]:
    with serving(podman, image, ledger) as container:
        yield container


@pytest.fixture(scope="module")
def client(api: Container, ledger: Outside) -> Iterator[Api]:
    port = api.execute("printenv", "PORT").out.strip()
    client = Api(f"http://127.0.0.1:{port}", ledger.data)
    yield client
    client.close()


@contextmanager
def worker(podman: Podman, image: str, outside: Outside) -> Iterator[Container]:
    port = free_port()
    with running(podman, image, *WORKER, options=outside.options(PORT=str(port))) as container:
        until(lambda: answer(f"http://127.0.0.1:{port}/readyz"), lambda code: code == 200, within_s=90)
        assert [answer(f"http://127.0.0.1:{port}{page}") for page in ("/healthz", "/metrics")] == [200, 200]
        yield container


def test_migrations_are_in_the_image(ledger: Outside) -> None:
    with psycopg.connect(ledger.database_url) as connection:
        (count,) = connection.execute("SELECT count(*) FROM alembic_version").fetchone() or (0,)
    assert count == 1


def test_api_and_worker_ingest_together_and_end_at_sigterm(
    podman: Podman, image: str, api: Container, client: Api, ledger: Outside
) -> None:
    with worker(podman, image, ledger) as container:
        assert client.http.get("/readyz").json()["workers_online"] == 1
        ping = container.execute("celery", "-A", "app.tasks.celery_app", "inspect", "ping")
        assert ping.code == 0, ping.err
        job = client.wait(client.submit(intervals={"1m": 1}, symbols=SYMBOLS, session=SESSION))
        assert (job["status"], job["result"]["outcomes"]) == ("completed", {"ok": len(SYMBOLS)})
        container.signal("TERM")
        assert container.wait() == 0, container.log()
    store = PostgresBarStore(BlockingDatabase(ledger.database_url, application_name="test"))
    rows = run(store.read_session(BarSeries("synthetic", Interval.M1), date.fromisoformat(SESSION)))
    assert rows.height == job["progress"]["rows"] > 1_000
    assert run(store.verify()).faults == ()
    run(store.close())
    shown = client.http.get("/api/v1/bars/7203", params={"start": SESSION, "end": "2025-11-05"})
    assert len(shown.json()["items"]) == rows.filter(symbol="7203").height > 300, shown.text
    # All of it is in the database.
    assert list(ledger.data.iterdir()) == []


def test_a_worker_at_work_hands_back_and_another_goes_on(
    podman: Podman, image: str, client: Api, ledger: Outside
) -> None:
    with worker(podman, image, ledger) as first:
        job_id = client.submit(intervals={"1m": 10}, session="2025-06-30")
        until(lambda: client.job(job_id), lambda job: job["progress"]["done"] > 0, within_s=60)
        first.signal("TERM")
        assert first.wait() == 0, first.log()
        # It took nothing more: of sixteen chunks at most those that ran came to their end.
        assert client.job(job_id)["status"] == "running"
    with worker(podman, image, ledger):
        job = client.wait(job_id, within_s=180)
    assert job["status"] == "completed"
    assert job["progress"]["done"] == job["progress"]["total"]


@pytest.fixture(scope="module", params=["api", "worker"])
def either(request: pytest.FixtureRequest, podman: Podman, image: str, ledger: Outside) -> Iterator[Container]:
    if request.param == "api":
        yield request.getfixturevalue("api")
        return
    with worker(podman, image, ledger) as container:
        yield container


def test_nothing_can_be_written_but_tmp(either: Container) -> None:
    assert either.execute("id", "-u").out.strip() == str(USER)
    refused = either.execute("touch", "/opt/kaboom/app/planted.py")
    assert refused.code != 0
    assert "Read-only file system" in refused.err
    assert either.execute("touch", "/tmp/mine").code == 0
    walked = either.execute("python", "-c", WRITABLE)
    assert (walked.code, walked.out.split()) == (0, [])


def test_nothing_can_be_gained(either: Container) -> None:
    status = either.execute("cat", "/proc/1/status").out
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    assert {fields[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")} == {"0" * 16}
    assert fields["NoNewPrivs"] == "1"


def test_the_first_process_is_the_program_itself(either: Container) -> None:
    first = either.execute("cat", "/proc/1/cmdline").out.split("\0")
    assert first[0] == "/opt/venv/bin/python"
    assert Path(first[1]).name in {"kaboom", "celery"}


def test_an_api_ends_at_sigterm(podman: Podman, image: str, ledger: Outside) -> None:
    with serving(podman, image, ledger) as container:
        container.signal("TERM")
        assert container.wait() == 0, container.log()
