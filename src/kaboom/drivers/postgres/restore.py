"""Restoring the rows of a dump, and nothing else: no SQL of the dump is executed.

A dump is SQL that `pg_restore` would run as the owner of the database: functions, triggers, `COPY … FROM PROGRAM`. Even
with `--data-only` the statement before each table's rows is a text of the dump. So `pg_restore` only decodes the dump
here, without a database, and this module copies the rows of the tables that are already there.
"""

import re
import subprocess
import tempfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import IO

import psycopg
from psycopg import sql

from kaboom.drivers.embedded.postgres_cluster import find_postgres
from kaboom.drivers.postgres.dump import DumpFacts, build_environment, connected, describe_failure, read_facts
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
