"""The ledger through PgBouncer: statements end in time, nothing leaks to other clients, and outages pass."""

import os
import pwd
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import text

from kaboom.cli.stack.migrate import migrate
from kaboom.drivers.embedded.servers import EmbeddedServer, embed_postgres
from kaboom.drivers.postgres import engine as postgres_connection
from kaboom.drivers.postgres.engine import connect_postgres, postgres_errors
from kaboom.errors import StoreError
from kaboom.jobs.postgres.port import Terms
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from tests.faults.lab.proxy import FaultProxy
from tests.fixtures.jobs.jobs import make_job
from tests.fixtures.servers.pgbouncers import PgBouncer, pgbouncer
from tests.fixtures.servers.servers import open_folder
from tests.fixtures.servers.stacks import serving, until
from tests.fixtures.workers.workers import Place, worker

pytestmark = pytest.mark.anyio
LOOK = text("SELECT current_setting('statement_timeout'), current_setting('prepare_threshold', true)")


async def submit(ledger: PostgresJobHistory) -> None:
    """Admit a job, which must be there then."""
    job = make_job()
    await ledger.admit(job, Terms("test"))
    assert await ledger.load(job.queue, job.job_id) is not None


async def recovers(ledger: PostgresJobHistory, *, within_s: float) -> int:
    """Submit until it works; return how many attempts failed."""
    deadline, failures = time.monotonic() + within_s, 0
    while True:
        try:
            await submit(ledger)
        except StoreError:
            failures += 1
            assert time.monotonic() < deadline, f"{failures} submissions failed in {within_s} s"
        else:
            return failures


@pytest.mark.parametrize("isolation", ["AUTOCOMMIT", "READ COMMITTED"])
async def test_the_server_ends_a_slow_statement(
    pooler: PgBouncer, isolation: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_connection, "STATEMENT_MS", 300)
    engine = connect_postgres(pooler.url, application_name="test").execution_options(isolation_level=isolation)
    begun_at = time.monotonic()
    with pytest.raises(StoreError, match="statement timeout"), postgres_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(20)"))
    assert 0.25 < time.monotonic() - begun_at < 3
    async with engine.connect() as connection:
        assert (await connection.execute(text("SELECT 1"))).scalar_one() == 1
    await engine.dispose()


async def test_the_timeout_does_not_reach_other_clients(pooler: PgBouncer, ledger: PostgresJobHistory) -> None:
    await submit(ledger)
    with psycopg.connect(pooler.url, autocommit=True) as other:
        row = other.execute("SELECT current_setting('statement_timeout')").fetchone()
    assert row == ("0",)
    # They did share a server.
    assert len(pooler.command("SHOW SERVERS")) <= 20


async def test_an_idle_client_keeps_no_server(pooler: PgBouncer) -> None:
    proxy = FaultProxy(pooler.port)
    # Flush: behind Sync, PgBouncer gives an idle client a server for it, until the client's next statement.
    proxy.swallows = b"H\0\0\0\4"
    url = pooler.url.replace(str(pooler.port), str(proxy.port))
    engine = connect_postgres(url, application_name="test")
    ledger = PostgresJobHistory(engine)
    for _ in range(20):
        await submit(ledger)
    await engine.dispose()
    proxy.close()
    assert proxy.swallowed == 0


async def test_a_pooler_that_ignores_the_option_is_noticed(pooler: PgBouncer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_connection, "STATEMENT_MS", 300)
    with open_folder() as folder, pgbouncer(folder, pooler.direct_url, ignore_startup_parameters="options") as deaf:
        engine = connect_postgres(deaf.url, application_name="test")
        with pytest.raises(StoreError, match="statement timeout"), postgres_errors():
            async with engine.connect() as connection:
                await connection.execute(text("SELECT pg_sleep(20)"))
        await engine.dispose()


async def test_times_are_in_utc_whatever_the_database_says(pooler: PgBouncer, ledger: PostgresJobHistory) -> None:
    name = pooler.direct_url.partition("?")[0].rpartition("/")[2]
    with psycopg.connect(pooler.direct_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} SET timezone = 'Asia/Tokyo'")
    pooler.command("RECONNECT")
    job = make_job()
    await ledger.admit(job, Terms("test"))
    kept = await ledger.load(job.queue, job.job_id)
    with psycopg.connect(pooler.direct_url, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {name} RESET timezone")
    pooler.command("RECONNECT")
    assert kept is not None
    assert kept.requested_at is not None
    assert kept.requested_at.isoformat().endswith("+00:00")


async def test_a_restarted_pooler_is_found_again(ledger: PostgresJobHistory, pooler: PgBouncer) -> None:
    await submit(ledger)
    pooler.process.kill()
    with pytest.raises(StoreError):
        await submit(ledger)
    pooler.process.start()
    assert await recovers(ledger, within_s=5) <= 1


async def test_servers_that_ended_are_replaced(ledger: PostgresJobHistory, pooler: PgBouncer) -> None:
    await submit(ledger)
    with psycopg.connect(pooler.direct_url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    assert await recovers(ledger, within_s=5) <= 1


async def test_a_client_waits_seconds_for_a_server_not_minutes(ledger: PostgresJobHistory, pooler: PgBouncer) -> None:
    await submit(ledger)
    begun_at = time.monotonic()
    try:
        # As while every server is taken: PgBouncer would let a client wait for 120 s (`query_wait_timeout`).
        pooler.command("PAUSE")
        with pytest.raises(StoreError, match="no answer"):
            await submit(ledger)
    finally:
        pooler.command("RESUME")
    assert time.monotonic() - begun_at < 10
    assert await recovers(ledger, within_s=5) == 0


@contextmanager
def postgres(folder: Path) -> Iterator[EmbeddedServer]:
    """Give a PostgreSQL that is not started."""
    server = embed_postgres(folder)
    yield server
    pid_file = folder / "postgres" / "postmaster.pid"
    if pid_file.exists():
        os.kill(int(pid_file.read_text().split()[0]), signal.SIGKILL)


def start(server: EmbeddedServer, folder: Path) -> "subprocess.Popen[bytes]":
    """Start it, and wait until it answers."""
    with (folder / "postgres.log").open("ab") as log:
        process = subprocess.Popen(server.argv, stdout=log, stderr=log, user=server.user, cwd="/")
    until(server.is_ready, bool, within_s=30)
    return process


async def test_a_restarted_postgresql_is_found_again_through_the_pooler() -> None:
    with open_folder() as folder, postgres(folder) as server:
        process = start(server, folder)
        migrate(server.url)
        with pgbouncer(folder, server.url, server_login_retry="1") as pooler:
            engine = connect_postgres(pooler.url, application_name="test")
            ledger = PostgresJobHistory(engine)
            await submit(ledger)
            process.send_signal(signal.SIGQUIT)
            process.wait(20)
            with pytest.raises(StoreError):
                await submit(ledger)
            process = start(server, folder)
            assert await recovers(ledger, within_s=10) >= 0
            await engine.dispose()
        process.send_signal(signal.SIGINT)
        process.wait(20)


@pytest.mark.timeout(120)
def test_a_job_is_done_by_an_api_and_a_worker_behind_the_pooler(
    pooler: PgBouncer, redis_url: str, tmp_path: Path
) -> None:
    place = Place(redis_url, pooler.url, tmp_path)
    servers = {"REDIS_URL": redis_url, "DATABASE_URL": pooler.url}
    switches = {"DISABLE_CELERY": "false", "DISABLE_REDIS": "false"}
    with serving(tmp_path / "api", **servers, **switches) as api, worker(place, application="app.tasks.celery_app"):
        job_id = api.submit(intervals={"1h": 1}, symbols=["7203", "6758"], session="2025-11-04")
        assert api.wait(job_id)["status"] == "completed"
        assert api.http.get("/readyz").status_code == 200


def test_the_pooler_runs_as_another_user(pooler: PgBouncer) -> None:
    if os.geteuid() == 0:
        owner = Path(f"/proc/{pooler.process.pid}").stat().st_uid
        assert owner == pwd.getpwnam("nobody").pw_uid
