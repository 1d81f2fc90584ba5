"""Connections to PostgreSQL that end while nobody looks."""

import asyncio
import gc
import re
import time
import warnings
from collections.abc import Coroutine
from typing import Any

import psycopg
import pytest
from sqlalchemy import text

from kaboom.drivers.postgres import engine as postgres_engine
from kaboom.drivers.postgres.engine import (
    AsyncEngine,
    Statements,
    connect_postgres,
    open_connection,
    open_transaction,
    postgres_errors,
)
from kaboom.errors import StoreError

pytestmark = pytest.mark.anyio
NAME = "to-be-cut-off"


async def ask(engine: AsyncEngine, statement: str = "SELECT pg_backend_pid()") -> int:
    with postgres_errors():
        async with engine.connect() as connection:
            return int((await connection.execute(text(statement))).scalar_one())


def cut_off(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


async def test_an_idle_connection_that_was_cut_off_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "_FRESH_S", 0.0)
    engine = connect_postgres(database_url, application_name=NAME)
    first = await ask(engine)
    cut_off(database_url, first)
    assert await ask(engine) != first
    await engine.dispose()


async def test_a_pool_without_a_free_connection_says_so(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name=NAME, pool_size=1)
    async with engine.connect():
        with pytest.raises(StoreError, match="no connection to PostgreSQL was free") as e:
            await ask(engine)
        assert e.value.retryable
    await engine.dispose()


async def test_a_busy_one_is_an_error_once_and_then_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_engine, "_FRESH_S", 60.0)
    engine = connect_postgres(database_url, application_name=NAME)
    first = await ask(engine)
    cut_off(database_url, first)
    with pytest.raises(StoreError, match="PostgreSQL did not answer"):
        await ask(engine)
    assert await ask(engine) != first
    await engine.dispose()


async def test_a_busy_one_is_not_asked_whether_it_lives(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_engine, "_FRESH_S", 60.0)
    engine = connect_postgres(database_url, application_name=NAME)
    pings = 0
    do_ping = engine.sync_engine.dialect.do_ping

    def counted(connection: object) -> bool:
        nonlocal pings
        pings += 1
        return do_ping(connection)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.sync_engine.dialect, "do_ping", counted)
    for _ in range(5):
        await ask(engine)
    assert pings == 0
    await engine.dispose()


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("SELECT 1 FROM no_such_table", "run `kaboom migrate`. PostgreSQL says UndefinedTable"),
        ("SELECT no_such_column FROM jobs", "run `kaboom migrate`. PostgreSQL says UndefinedColumn"),
        ("CREATE TABLE no_such.rows ()", "run `kaboom migrate`. PostgreSQL says InvalidSchemaName"),
        ("INSERT INTO jobs (job_id) VALUES (NULL)", "PostgreSQL refused the statement: NotNullViolation"),
        ("SELECT 'x'::int", "PostgreSQL refused the statement: InvalidTextRepresentation"),
    ],
)
async def test_a_refused_statement_is_no_outage(database_url: str, statement: str, said: str) -> None:
    engine = connect_postgres(database_url, application_name=NAME)
    with pytest.raises(StoreError, match=re.escape(said)) as caught, postgres_errors():
        async with engine.connect() as connection:
            await connection.execute(text(statement))
    assert not caught.value.retryable
    await engine.dispose()


@pytest.mark.parametrize("code", ["53100", "53300", "40P01", "57P01", "25006"])
async def test_a_server_in_trouble_is_an_outage(database_url: str, code: str) -> None:
    said = "PostgreSQL's disk is full" if code == "53100" else "PostgreSQL did not answer"
    engine = connect_postgres(database_url, application_name=NAME)
    raising = f"DO $$ BEGIN RAISE EXCEPTION 'no room' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(StoreError, match=said) as caught, postgres_errors():
        async with engine.connect() as connection:
            await connection.execute(text(raising))
    assert caught.value.retryable
    # PostgreSQL adds its context on a second line; a log line or a cell of a table has one.
    assert "no room CONTEXT: " in caught.value.message
    await engine.dispose()


async def test_a_server_that_says_nothing_is_given_up_and_asked_anew(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect_postgres(database_url, application_name=NAME)
    await ask(engine)
    monkeypatch.setattr(postgres_engine, "ANSWER_S", 0.3)
    begun_at = time.monotonic()
    with pytest.raises(StoreError, match=r"no answer came within 0.3 s"), postgres_errors():
        async with engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(4)"))
    assert time.monotonic() - begun_at < 3
    monkeypatch.undo()
    assert await ask(engine)
    await engine.dispose()


async def test_a_caller_who_leaves_does_not_wait_for_the_server(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name=NAME)
    await ask(engine)
    begun_at = time.monotonic()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.3), engine.connect() as connection:
            await connection.execute(text("SELECT pg_sleep(4)"))
    assert time.monotonic() - begun_at < 3
    assert await ask(engine)
    await engine.dispose()


async def test_a_connection_in_use_at_the_close_is_closed_when_it_is_returned(database_url: str) -> None:
    engine = connect_postgres(database_url, application_name="closing")
    asking = asyncio.create_task(ask(engine, "SELECT pg_backend_pid() FROM pg_sleep(0.3)"))
    await asyncio.sleep(0.1)
    await engine.dispose()
    await asking
    await ask(engine)
    with psycopg.connect(database_url) as other:
        left = other.execute("SELECT count(*) FROM pg_stat_activity WHERE application_name = 'closing'").fetchone()
    assert left == (0,)


class Ending:
    """A loop that cancels every task of its own as soon as a connection is to be closed, after some turns."""

    def __init__(self, turns: int) -> None:
        self._loop, self._turns = asyncio.get_running_loop(), turns
        self._others = asyncio.all_tasks()
        self.cancelled = list[str]()

    def make(self, loop: asyncio.AbstractEventLoop, coro: Coroutine[Any, Any, Any], **more: Any) -> asyncio.Task[Any]:
        """Make a task."""
        if coro.__qualname__ == "AsyncConnection.close":  # type: ignore[attr-defined]
            self._end(self._turns)
        return asyncio.Task(coro, loop=loop, **more)

    def _end(self, turns: int) -> None:
        if turns:
            self._loop.call_soon(self._end, turns - 1)
            return
        self._loop.call_soon(self._cancel)

    def _cancel(self) -> None:
        for task in asyncio.all_tasks() - self._others:
            self.cancelled.append(task.get_coro().__qualname__)  # type: ignore[union-attr]
            task.cancel()


def _drop_garbage() -> None:
    """Drop what tests before this one left, whose warnings are not ours."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        gc.collect()


async def look(engine: AsyncEngine) -> None:
    async with open_connection(engine) as connection:
        await connection.execute(text("SELECT 1"))


async def change(engine: AsyncEngine) -> None:
    async with open_transaction(engine) as connection:
        await connection.execute(text("SELECT 1"))


@pytest.mark.parametrize("turns", range(4))
@pytest.mark.parametrize("work", [look, change])
async def test_a_connection_is_returned_when_every_task_is_cancelled(work: Any, turns: int, database_url: str) -> None:
    engine, loop = connect_postgres(database_url, application_name=NAME), asyncio.get_running_loop()
    await work(engine)
    ending = Ending(turns)
    _drop_garbage()
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        loop.set_task_factory(ending.make)
        try:
            await asyncio.gather(asyncio.create_task(work(engine)), return_exceptions=True)
        finally:
            loop.set_task_factory(None)
        left = engine.pool.checkedout()  # type: ignore[attr-defined]
        gc.collect()
    assert turns or "AsyncConnection.close" in ending.cancelled
    assert (left, [str(each.message) for each in warned]) == (0, [])
    await work(engine)
    await engine.dispose()


@pytest.mark.parametrize("turns", range(4))
async def test_a_connection_is_returned_when_its_caller_is_cancelled_taking_it(
    turns: int, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = connect_postgres(database_url, application_name=NAME)
    statements = Statements(engine)
    await statements.execute(text("SELECT 1"))
    # psycopg gives way to other tasks after it has been busy for a while.
    monkeypatch.setattr(psycopg.waiting, "MAX_BUSY_TIME", 0.0)
    asking = asyncio.create_task(statements.execute(text("SELECT 1")))
    for _ in range(turns):
        await asyncio.sleep(0)
    asking.cancel()
    await asyncio.gather(asking, return_exceptions=True)
    assert engine.pool.checkedout() == 0  # type: ignore[attr-defined]
    await engine.dispose()
