"""Files of jobs: the same promises in memory and in PostgreSQL."""

from collections.abc import AsyncIterator

import psycopg
import pytest

from kaboom.drivers.postgres.engine import connect_postgres
from kaboom.errors import InvalidRequest, StoreError
from kaboom.jobs.postgres.files import MOST_BYTES, JobFiles, MemoryJobFiles
from kaboom.jobs.postgres.postgres_files import PostgresJobFiles

pytestmark = pytest.mark.anyio
JOB, OTHER = "a" * 32, "b" * 32


def add_job(database_url: str, job_id: str) -> None:
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO jobs (job_id, queue, task, owner, status, request, attempt)"
            " VALUES (%s, 'backtest', 'backtest.run', 'ingest', 'running', '{}', 1) ON CONFLICT DO NOTHING",
            [job_id],
        )


@pytest.fixture(params=["memory", "postgres"])
async def files(request: pytest.FixtureRequest, anyio_backend: str) -> AsyncIterator[JobFiles]:
    if request.param == "memory":
        yield MemoryJobFiles()
        return
    url = request.getfixturevalue("database_url")
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("DELETE FROM jobs WHERE job_id = ANY(%s)", [[JOB, OTHER]])
    for job_id in (JOB, OTHER):
        add_job(url, job_id)
    engine = connect_postgres(url, application_name="test", pool_size=2)
    yield PostgresJobFiles(engine)
    await engine.dispose()


async def test_a_file_is_returned_as_it_was_saved(files: JobFiles) -> None:
    content = bytes(range(256)) * 1000
    await files.save(JOB, {"report.html": content, "empty": b""})
    assert await files.load(JOB, "report.html") == content
    assert await files.load(JOB, "empty") == b""
    assert await files.load(JOB, "other") is None
    assert await files.load(OTHER, "report.html") is None


async def test_a_file_of_the_same_name_is_replaced(files: JobFiles) -> None:
    await files.save(OTHER, {"a": b"another job's"})
    await files.save(JOB, {"a": b"old", "b": b"stays"})
    await files.save(JOB, {"a": b"new"})
    assert await files.load_all(JOB, "") == {"a": b"new", "b": b"stays"}
    assert [await files.load(JOB, name) for name in "ab"] == [b"new", b"stays"]
    assert await files.load(OTHER, "a") == b"another job's"


async def test_files_are_found_and_dropped_by_the_beginning_of_their_name(files: JobFiles) -> None:
    # `_` and `%` are letters like others.
    await files.save(JOB, {"trials/2": b"2", "trials/1": b"1", "trials_x": b"x", "report": b"r"})
    await files.save(OTHER, {"trials/9": b"9"})
    assert list(await files.load_all(JOB, "trials/")) == ["trials/1", "trials/2"]
    await files.drop(JOB, "trials_")
    await files.drop(JOB, "%")
    await files.drop(JOB, "trials/")
    assert await files.load_all(JOB, "") == {"report": b"r"}
    assert await files.load_all(OTHER, "trials/") == {"trials/9": b"9"}


async def test_a_file_that_is_too_large_is_refused_with_all_the_others(files: JobFiles) -> None:
    with pytest.raises(InvalidRequest, match="large had"):
        await files.save(JOB, {"small": b"s", "large": bytes(MOST_BYTES + 1)})
    assert await files.load_all(JOB, "") == {}


async def test_files_go_with_their_job(database_url: str) -> None:
    add_job(database_url, JOB)
    engine = connect_postgres(database_url, application_name="test", pool_size=2)
    files = PostgresJobFiles(engine)
    await files.save(JOB, {"report": b"r"})
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("DELETE FROM jobs WHERE job_id = %s", [JOB])
    assert await files.load(JOB, "report") is None
    with pytest.raises(StoreError) as refused:
        await files.save(JOB, {"report": b"r"})
    assert not refused.value.retryable
    await engine.dispose()
