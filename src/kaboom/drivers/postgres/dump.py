"""Dumping a database to a file with `pg_dump`."""

import os
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.errors import StoreError


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """The migration of a dumped database, and the number of rows of each table."""

    revision: str
    rows: dict[str, int]


def dump_database(url: str, target: Path, *, without: Sequence[str] = ()) -> DumpFacts:
    """Write a consistent dump of a database to a file (0600), while others write; return its facts.

    The dump has no rows of the tables `without`.

    Raises:
        StoreError: the database cannot be read, or the file cannot be written.

    """
    target.touch(mode=0o600)
    with connected(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        # The same snapshot for the counts and for pg_dump.
        facts = read_facts(connection, without=without)
        left_out = [f"--exclude-table-data=public.{table}" for table in without]
        options = (*left_out, "--format=custom", "--no-owner", "--no-privileges", f"--snapshot={row[0] if row else ''}")
        _run("pg_dump", *options, f"--file={target}", f"--dbname={url}")
    return facts


def read_facts(connection: psycopg.Connection, *, without: Sequence[str] = ()) -> DumpFacts:
    """Return the facts of a database; the tables `without` count as empty."""
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    rows = {name: 0 if name in without else _count(connection, name) for (name,) in found.fetchall()}
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return DumpFacts(revision[0] if revision else "", rows)


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def connected(url: str) -> Iterator[psycopg.Connection]:
    """Hold a connection for a transaction.

    Raises:
        StoreError: the database does not answer, or refused a statement.

    """
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as e:
        raise StoreError(f"PostgreSQL did not answer: {type(e).__name__}: {str(e).strip()}") from e


def _run(program: str, *arguments: str) -> None:
    argv = (str(find_postgres() / program), *arguments)
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=build_environment())
    if done.returncode:
        raise describe_failure(program, done.stderr, done.returncode)


def build_environment() -> dict[str, str]:
    """Return the environment of PostgreSQL's programs: without variables such as PGOPTIONS, for other servers."""
    return {name: value for name, value in os.environ.items() if not name.startswith("PG")}


def describe_failure(program: str, stderr: str, code: int) -> StoreError:
    """Return the error of a program that failed, with the last lines that it printed."""
    lines = stderr.strip().splitlines()
    return StoreError(f"{program} failed: {' / '.join(lines[-3:]) or f'exit code {code}'}")
