"""Transactions of threads: one state, all or nothing, clear errors, and connections that processes do not share."""

import multiprocessing
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import sql as composed

from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import ConfigurationError, StoreError
from tests.fixtures.servers.servers import let_everybody_in

_PID = "SELECT pg_backend_pid()"


@pytest.fixture
def database(database_url: str) -> BlockingDatabase:
    return BlockingDatabase(database_url, application_name="blocking test")


def test_one_connection_is_kept_and_used_again(database: BlockingDatabase) -> None:
    pids = set()
    for _ in range(3):
        with database.reading() as sql:
            pids.add(sql.rows(_PID)[0][0])
    assert len(pids) == 1
    database.close()


def test_an_error_rolls_everything_back(database: BlockingDatabase, database_url: str) -> None:
    def write_and_fail() -> None:
        with database.writing() as sql:
            sql.run("CREATE TABLE left_over (n int)")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_and_fail()
    with psycopg.connect(database_url) as connection:
        assert connection.execute("SELECT to_regclass('left_over')").fetchone() == (None,)
    database.close()


def test_a_refused_statement_is_not_worth_a_retry(database: BlockingDatabase) -> None:
    refusal = r'run `kaboom migrate`. PostgreSQL says UndefinedTable: relation "no_such" does not'
    with pytest.raises(StoreError, match=refusal) as e, database.reading() as sql:
        sql.rows("SELECT 1 FROM no_such")
    assert not e.value.retryable
    database.close()


def test_reading_refuses_to_write(database: BlockingDatabase) -> None:
    with pytest.raises(StoreError, match="read-only transaction"), database.reading() as sql:
        sql.run("CREATE TABLE left_over (n int)")
    database.close()


def test_an_idle_connection_that_ended_is_replaced(
    database: BlockingDatabase, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kaboom.drivers.postgres.blocking._FRESH_S", 0.0)
    with database.reading() as sql:
        (first,) = sql.rows(_PID)[0]
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute("SELECT pg_terminate_backend(%s, 5000)", (first,))
    with database.reading() as sql:
        assert sql.rows(_PID)[0][0] != first
    database.close()


@pytest.mark.parametrize(
    ("code", "said", "retryable"),
    [
        ("53100", "PostgreSQL's disk is full: DiskFull: sorry", True),
        ("XX001", "files of PostgreSQL are damaged: DataCorrupted: sorry", False),
        ("XX002", "files of PostgreSQL are damaged: IndexCorrupted: sorry", False),
        ("57014", "PostgreSQL ended the statement, whose limit is 60 s: QueryCanceled: sorry", True),
        ("57P03", "PostgreSQL did not answer: CannotConnectNow: sorry", True),
    ],
)
def test_an_error_names_its_cause(database: BlockingDatabase, code: str, said: str, *, retryable: bool) -> None:
    raised: Any = f"DO $$ BEGIN RAISE EXCEPTION 'sorry' USING ERRCODE = '{code}'; END $$"
    with pytest.raises(StoreError, match=said) as e, database.writing() as sql:
        sql.run(raised)
    assert e.value.retryable is retryable
    database.close()


def test_texts_are_utf8_whatever_the_environment_says(
    database: BlockingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "SJIS")
    with database.reading() as sql:
        assert sql.csv("SELECT 'トヨタ'") == "トヨタ\n".encode()
        assert sql.rows("SHOW client_encoding") == [("UTF8",)]
    database.close()


def test_a_reader_without_a_free_connection_is_told_so(database_url: str) -> None:
    let_everybody_in(database_url)
    role = f"narrow_{uuid4().hex[:8]}"
    with psycopg.connect(database_url, autocommit=True) as connection:
        connection.execute(composed.SQL("CREATE ROLE {} LOGIN CONNECTION LIMIT 2").format(composed.Identifier(role)))
        database = BlockingDatabase(database_url.replace("//postgres@", f"//{role}@"), application_name="test")
        with database.reading() as first, database.reading() as second:
            with pytest.raises(StoreError, match=r"no connection to PostgreSQL was free: .*too many") as e:
                database.reading().__enter__()
            assert [sql.rows("SELECT 1") for sql in (first, second)] == [[(1,)]] * 2
        assert e.value.retryable
        with database.reading() as third:
            assert third.rows("SELECT 1") == [(1,)]
        database.close()
        connection.execute(composed.SQL("DROP ROLE {}").format(composed.Identifier(role)))


def test_no_server_is_an_outage() -> None:
    database = BlockingDatabase("postgresql://user:secret@127.0.0.1:9/none", application_name="test")
    with pytest.raises(StoreError, match="PostgreSQL did not answer") as e, database.reading():
        pass
    assert e.value.retryable
    assert "secret" not in str(e.value)
    assert database.place == "127.0.0.1/none"


def test_an_address_of_another_database_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="DATABASE_URL was for mysql"):
        BlockingDatabase("mysql://127.0.0.1/x", application_name="test")


def test_the_child_of_a_fork_opens_a_connection_of_its_own(database: BlockingDatabase) -> None:
    with database.reading() as sql:
        (parent,) = sql.rows(_PID)[0]
    context = multiprocessing.get_context("fork")
    results = context.SimpleQueue()

    def ask() -> None:
        with database.reading() as sql:
            results.put(sql.rows(_PID)[0][0])

    child = context.Process(target=ask)
    child.start()
    child.join()
    assert results.get() != parent
    with database.reading() as sql:
        assert sql.rows(_PID)[0][0] == parent
    database.close()


def test_many_rows_come_as_csv(database: BlockingDatabase) -> None:
    with database.reading() as sql:
        text = sql.csv("SELECT n, %s FROM generate_series(1, 2) n", ("a,b",))
    assert text == b'1,"a,b"\n2,"a,b"\n'
    database.close()


def test_an_answer_that_does_not_come_is_told_with_the_time_that_was_waited(
    database: BlockingDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    with database.reading() as sql:
        (first,) = sql.rows(_PID)[0]
    monkeypatch.setattr("kaboom.drivers.postgres.blocking._ANSWER_S", 0.2)
    with pytest.raises(StoreError, match=r"no answer came within 0\.2 s") as e, database.reading() as sql:
        sql.rows("SELECT pg_sleep(1)")
    assert e.value.retryable
    monkeypatch.undo()
    with database.reading() as sql:
        assert sql.rows(_PID)[0] != (first,)
    database.close()
