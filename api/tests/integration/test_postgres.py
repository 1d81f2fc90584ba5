"""Connections to PostgreSQL that end while nobody looks."""

import psycopg
import pytest
from sqlalchemy import text

from batch.errors import StoreError
from batch.kit import postgres
from batch.kit.postgres import AsyncEngine, connect_postgres, postgres_errors

pytestmark = pytest.mark.anyio
NAME = "to-be-cut-off"


async def ask(engine: AsyncEngine) -> int:
    with postgres_errors():
        async with engine.connect() as connection:
            return int((await connection.execute(text("SELECT pg_backend_pid()"))).scalar_one())


def cut_off(url: str, pid: int) -> None:
    with psycopg.connect(url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))


async def test_an_idle_connection_that_was_cut_off_is_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_FRESH_S", 0.0)
    engine = connect_postgres(database_url, application_name=NAME)
    first = await ask(engine)
    cut_off(database_url, first)
    assert await ask(engine) != first
    await engine.dispose()


async def test_a_busy_one_is_an_error_once_and_then_replaced(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "_FRESH_S", 60.0)
    engine = connect_postgres(database_url, application_name=NAME)
    first = await ask(engine)
    cut_off(database_url, first)
    with pytest.raises(StoreError, match="PostgreSQL did not answer"):
        await ask(engine)
    assert await ask(engine) != first
    await engine.dispose()


async def test_a_busy_one_is_not_asked_whether_it_lives(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres, "_FRESH_S", 60.0)
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
