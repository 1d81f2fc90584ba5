"""`/readyz`: a small write on each part, within 2 s, and once a second however many ask."""

import asyncio
import os
import re
import socket
import time
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest

from kaboom.drivers import disk
from kaboom.drivers.disk import Room, find_full, measure_room, nearest_folder, try_write
from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import StoreError
from kaboom.health.routes import Part, Readiness
from kaboom.jobs.engine.health_checks import RecentAnswer
from kaboom.jobs.postgres.postgres import PostgresJobHistory
from kaboom.jobs.postgres.schema import REVISION
from kaboom.jobs.redis.redis_store import RedisJobStore
from kaboom.settings import AppSettings
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import TOKEN, client_of, real_settings, running
from tests.fixtures.servers.servers import Servers, fresh_database, open_folder
from tests.fixtures.servers.valkeys import valkey

pytestmark = pytest.mark.anyio


async def test_many_callers_cost_one_question() -> None:
    asked = 0

    async def find() -> int:
        nonlocal asked
        asked += 1
        await asyncio.sleep(0.05)
        return asked

    recent = RecentAnswer(find, for_s=0.2)
    assert await asyncio.gather(*(recent.get() for _ in range(100))) == [1] * 100
    assert await recent.get() == 1
    await asyncio.sleep(0.25)
    assert await recent.get() == 2


async def test_one_caller_who_leaves_takes_the_answer_from_nobody() -> None:
    async def find() -> str:
        await asyncio.sleep(0.05)
        return "found"

    recent = RecentAnswer(find)
    first = asyncio.create_task(recent.get())
    await asyncio.sleep(0)
    first.cancel()
    assert await recent.get() == "found"


async def test_a_part_that_hangs_costs_two_seconds_and_no_other_part(
    database_url: str, tmp_path: Path, anyio_backend: str
) -> None:
    # The kernel takes connections, and nobody ever answers.
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"redis://127.0.0.1:{silent.getsockname()[1]}/0"
        async with running(real_settings(url, database_url, tmp_path)) as app, client_of(app) as client:
            begun_at = time.monotonic()
            answers = await asyncio.gather(*(client.get("/readyz") for _ in range(20)))
            took_s = time.monotonic() - begun_at
    assert {answer.status_code for answer in answers} == {503}
    parts = answers[0].json()["parts"]
    assert (parts["redis"]["detail"], parts["database"]["is_ok"]) == ("no answer in 2 s", True)
    assert took_s < 4


async def test_bars_that_take_no_write_are_shown_and_jobs_still_accepted(
    redis_url: str, database_url: str, tmp_path: Path, anyio_backend: str
) -> None:
    settings = real_settings(redis_url, database_url, tmp_path)
    # Not even root may make a file there.
    settings.bars_dir.symlink_to("/proc/sys")
    async with running(settings) as app, client_of(app) as client:
        ready = (await client.get("/readyz")).json()
        assert ready["ready"]
        assert not ready["parts"]["bars"]["is_ok"]
        assert "bars does not accept a write" in ready["parts"]["bars"]["detail"]


async def test_an_older_schema_is_not_ready_and_a_newer_one_is(
    redis_url: str, servers: Servers, tmp_path: Path, anyio_backend: str
) -> None:
    older, newer = f"{int(REVISION) - 1:04}", f"{int(REVISION) + 1:04}"
    cases = {
        f"UPDATE alembic_version SET version_num = '{older}'": (
            503,
            f"the schema is at revision {older}, and this release needs {REVISION}: run `kaboom migrate`",
        ),
        f"UPDATE alembic_version SET version_num = '{newer}'": (
            200,
            f"a newer release has migrated the schema: it is at revision {newer}, and this release knows {REVISION}",
        ),
        f"UPDATE alembic_version SET version_num = '{REVISION}'": (200, ""),
        "DROP TABLE alembic_version": (503, "the schema is missing: run `kaboom migrate`"),
    }
    with fresh_database(servers) as url, psycopg.connect(url, autocommit=True) as connection:
        async with running(real_settings(redis_url, url, tmp_path)) as app:
            for statement, (status, detail) in cases.items():
                connection.execute(statement)
                # A new one each time: an answer is kept for a second.
                ready = await replace(services_of(app).find(Readiness)).get()
                part = Part(is_ok=status == 200, detail=detail)
                assert (ready.ready, ready.parts["database"]) == (status == 200, part), statement


async def test_a_full_disk_is_said_and_given_as_the_cause_of_what_is_away(
    redis_url: str, servers: Servers, tmp_path: Path, anyio_backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Every disk has less than this.
    for name in ("FULL_BYTES", "FAULT_BYTES"):
        monkeypatch.setattr(disk, name, 1024**6)
    said = rf"the disk of {tmp_path} is full: [\d,]+ MiB are free, expected 1,099,511,627,776 MiB or more; free space"
    with fresh_database(servers) as database_url:
        await _find_full(real_settings(redis_url, database_url, tmp_path), database_url, said)


async def _find_full(settings: AppSettings, database_url: str, said: str) -> None:
    async with running(settings) as app, client_of(app) as client:
        ready = (await client.get("/readyz")).json()
        assert re.match(said, ready["parts"]["disk"]["detail"])
        assert ready["ready"]
        with psycopg.connect(database_url, autocommit=True) as connection:
            connection.execute("ALTER TABLE schedules RENAME TO schedules_gone")
        away = await client.get("/api/v1/schedules", headers={"x-ingest-token": TOKEN})
        assert away.status_code == 503
        assert re.match(rf"{said} on it \(the schema is missing", away.json()["detail"])


async def test_a_redis_without_memory_takes_no_write() -> None:
    with open_folder() as folder, valkey(folder, "full", maxmemory="1mb") as server:
        store = RedisJobStore(connect_redis(server.url, client_name="test"))
        await store.ping()
        with pytest.raises(StoreError, match="OutOfMemory"):
            await store.try_write()
        await store.close()


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        ("ALTER DATABASE {name} SET temp_file_limit = 0", "temporary file size exceeds"),
        ("ALTER DATABASE {name} SET default_transaction_read_only = on", "read-only"),
        (None, "jobs"),
    ],
)
async def test_a_ledger_without_room_or_rights_takes_no_write(servers: Servers, harm: str | None, said: str) -> None:
    with fresh_database(servers) as url:
        await _try_ledger(url)
        name = url.split("?")[0].rpartition("/")[2]
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(harm.format(name=name) if harm else "ALTER TABLE jobs RENAME TO jobs_gone")
        with pytest.raises(StoreError, match=said):
            await _try_ledger(url)


async def _try_ledger(url: str) -> None:
    engine = connect_postgres(url, application_name="test")
    ledger = PostgresJobHistory(engine)
    try:
        await ledger.try_write()
    finally:
        await engine.dispose()


def test_room_is_judged_by_bytes_and_by_inodes(tmp_path: Path) -> None:
    plenty = Room(10 * 1024**3, 10**6, 1)
    assert (plenty.fault, plenty.warning) == ("", "")
    assert Room(10**9, None, 1).fault == ""
    assert "954 MiB are free, expected 2,048 MiB or more" in Room(10**9, None, 1).warning
    assert "expected 256 MiB" in Room(10**8, None, 1).fault
    assert "999 inodes are free, expected 1,000" in Room(10**12, 999, 1).fault
    assert measure_room(tmp_path / "not" / "there") == measure_room(tmp_path)
    assert nearest_folder(tmp_path / "not" / "there") == tmp_path


def test_a_file_system_without_a_size_is_not_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A tmpfs with `size=0` reports this.
    unlimited = os.statvfs_result((4096, 4096, 0, 0, 0, 3085510, 3085509, 3085509, 4096, 255))
    monkeypatch.setattr(os, "statvfs", lambda _folder: unlimited)
    room = measure_room(tmp_path)
    assert (room.free_bytes, room.fault, room.warning, find_full(tmp_path)) == (None, "", "", "")


def test_a_try_leaves_nothing_and_says_what_refused(tmp_path: Path) -> None:
    try_write(tmp_path)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreError, match="gone does not accept a write: No such file or directory"):
        try_write(tmp_path / "gone")
