"""Dumping a database to a file with `pg_dump`, and restoring its rows: no SQL of a dump is executed."""

import os
import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.drivers.postgres.engine import ENCODING
from kaboom.errors import StoreError

_NAME = rb'(?:[a-z_][a-z0-9_$]*|"(?:[^"]|"")+")'
_COPY = re.compile(rb"COPY public\.(%b) \((%b(?:, %b)*)\) FROM stdin;\n" % (_NAME, _NAME, _NAME))
_ANY_COPY = re.compile(rb"COPY .* FROM stdin;\n")
_SEQUENCE = re.compile(rb"SELECT pg_catalog\.setval\('public\.(%b)', ([0-9]{1,19}), (true|false)\);\n" % _NAME)
_END = b"\\.\n"
_FOREIGN_KEYS = """
SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
WHERE contype = 'f' AND connamespace = 'public'::regnamespace
"""
_SEQUENCES = "SELECT sequencename FROM pg_sequences WHERE schemaname = 'public'"


@dataclass(frozen=True, slots=True)
class DumpFacts:
    """The migration of a dumped database, the number of rows of each table, and that of the bars in them."""

    revision: str
    rows: dict[str, int]
    bars: int


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
        _run("pg_dump", *options, f"--encoding={ENCODING}", f"--file={target}", f"--dbname={url}")
    return facts


def read_facts(connection: psycopg.Connection, *, without: Sequence[str] = ()) -> DumpFacts:
    """Return the facts of a database; the tables `without` count as empty."""
    found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY tablename")
    rows = {name: 0 if name in without else _count(connection, name) for (name,) in found.fetchall()}
    revision = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    # A page is a row of many bars.
    pages = connection.execute("SELECT coalesce(sum(n), 0)::bigint FROM bar_page") if rows.get("bar_page") else None
    found_bars = pages.fetchone() if pages else None
    return DumpFacts(revision[0] if revision else "", rows, found_bars[0] if found_bars else 0)


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
        with psycopg.connect(url, connect_timeout=10, client_encoding=ENCODING) as connection:
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


# A dump is SQL that `pg_restore` would run as the owner of the database: functions, triggers,
# `COPY … FROM PROGRAM`. Even with `--data-only` the statement before each table's rows is a text of the dump.
# So `pg_restore` only decodes the dump here, without a database, and this module copies the rows of the tables
# that are already there.
def restore_rows(url: str, source: Path, *, without: Collection[str]) -> DumpFacts:
    """Replace the rows of a database by those of a dump, in one transaction; return its facts.

    Tables that the database does not have, and the tables `without`, are skipped. Triggers do not run, since the dump
    has the rows that they made. Foreign keys are checked at the end.

    Raises:
        StoreError: the dump cannot be read, or its rows do not fit the tables.

    """
    with connected(url) as connection:
        # PostgreSQL's own tools use it to load dumps, too; it takes a superuser.
        connection.execute("SET LOCAL session_replication_role = replica")
        tables = [name for name in read_facts(connection).rows if name not in without]
        try:
            with _without_foreign_keys(connection):
                connection.execute(sql.SQL("TRUNCATE {}").format(sql.SQL(", ").join(map(sql.Identifier, tables))))
                with _decoded(source) as lines:
                    _fill(connection, lines, tables)
        except (psycopg.DataError, psycopg.IntegrityError, psycopg.ProgrammingError) as e:
            raise StoreError(f"the rows of the dump do not fit Kaboom's tables: {str(e).strip()}") from e
        return read_facts(connection)


@contextmanager
def _without_foreign_keys(connection: psycopg.Connection) -> Iterator[None]:
    """Drop the foreign keys, since a dump has its tables in any order, and add them again, which checks the rows."""
    found = connection.execute(_FOREIGN_KEYS).fetchall()
    for table, name, _ in found:
        connection.execute(_alter(table, "DROP CONSTRAINT {}", name))
    yield
    for table, name, definition in found:
        connection.execute(_alter(table, f"ADD CONSTRAINT {{}} {definition}", name))


def _alter(table: str, change: str, name: str) -> sql.Composed:
    return sql.SQL(f"ALTER TABLE {table} {change}").format(sql.Identifier(name))


@contextmanager
def _decoded(source: Path) -> Iterator[IO[bytes]]:
    """Yield the lines of a dump as SQL, which `pg_restore` prints without a database."""
    argv = (find_postgres() / "pg_restore", "--data-only", "--file=-", source)
    with (
        tempfile.TemporaryFile() as errors,
        subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=errors, env=build_environment()) as process,
    ):
        if process.stdout is None:
            raise AssertionError
        try:
            yield process.stdout
        except BaseException:
            process.kill()
            raise
        if code := process.wait():
            errors.seek(0)
            raise describe_failure("pg_restore", errors.read().decode(errors="replace"), code)


def _fill(connection: psycopg.Connection, lines: IO[bytes], tables: Sequence[str]) -> None:
    sequences = {name for (name,) in connection.execute(_SEQUENCES).fetchall()}
    for line in lines:
        if (found := _COPY.fullmatch(line)) and _unquote(found[1]) in tables:
            _copy(connection, _unquote(found[1]), [_unquote(name) for name in re.findall(_NAME, found[2])], lines)
        elif _ANY_COPY.fullmatch(line):
            deque(_rows(lines), maxlen=0)
        elif (found := _SEQUENCE.fullmatch(line)) and _unquote(found[1]) in sequences:
            place = sql.Identifier("public", _unquote(found[1])).as_string(connection)
            connection.execute("SELECT setval(%s, %s, %s)", (place, int(found[2]), found[3] == b"true"))


def _copy(connection: psycopg.Connection, table: str, columns: Sequence[str], lines: IO[bytes]) -> None:
    names = sql.SQL(", ").join(map(sql.Identifier, columns))
    statement = sql.SQL("COPY {} ({}) FROM STDIN").format(sql.Identifier("public", table), names)
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in _rows(lines):
            copy.write(row)


def _rows(lines: IO[bytes]) -> Iterator[bytes]:
    return takewhile(lambda row: row != _END, lines)


def _unquote(name: bytes) -> str:
    text = name.decode(errors="replace")
    return text[1:-1].replace('""', '"') if text.startswith('"') else text
