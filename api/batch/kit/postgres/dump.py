"""Dumping a database to a file and restoring it, with `pg_dump` and `pg_restore`."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql

from batch.errors import StoreError
from batch.kit.embedded.postgres_cluster import find_postgres


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """The migration of a dumped database, and the number of rows of each table."""

    revision: str
    rows: dict[str, int]


def dump_database(url: str, target: Path) -> DumpFacts:
    """Write a consistent dump of a database to a file (0600), while others write; return its facts.

    Raises:
        StoreError: the database cannot be read, or the file cannot be written.

    """
    target.touch(mode=0o600)
    with _connected(url) as connection:
        connection.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
        row = connection.execute("SELECT pg_export_snapshot()").fetchone()
        # The same snapshot for the counts and for pg_dump.
        facts = _read_facts(connection)
        options = ("--format=custom", "--no-owner", "--no-privileges", f"--snapshot={row[0] if row else ''}")
        _run("pg_dump", *options, f"--file={target}", f"--dbname={url}")
    return facts


def restore_database(url: str, source: Path) -> DumpFacts:
    """Restore an empty database from a dump in one transaction; return its facts.

    Raises:
        StoreError: the dump cannot be read, or the database cannot be written.

    """
    options = ("--exit-on-error", "--single-transaction", "--no-owner", "--no-privileges")
    _run("pg_restore", *options, f"--dbname={url}", str(source))
    with _connected(url) as connection:
        return _read_facts(connection)


def _read_facts(connection: psycopg.Connection) -> DumpFacts:
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    rows = {name: _count(connection, name) for (name,) in found.fetchall()}
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return DumpFacts(revision[0] if revision else "", rows)


def _count(connection: psycopg.Connection, table: str) -> int:
    row = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _connected(url: str) -> Iterator[psycopg.Connection]:
    try:
        with psycopg.connect(url, connect_timeout=10) as connection:
            yield connection
    except psycopg.Error as e:
        raise StoreError(f"PostgreSQL did not answer: {type(e).__name__}: {str(e).strip()}") from e


def _run(program: str, *arguments: str) -> None:
    # Without variables such as PGOPTIONS and PGPASSFILE, which are for other servers.
    env = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    argv = [str(find_postgres() / program), *arguments]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, env=env)
    if done.returncode:
        lines = done.stderr.strip().splitlines()
        raise StoreError(f"{program} failed: {' / '.join(lines[-3:]) or f'exit code {done.returncode}'}")
