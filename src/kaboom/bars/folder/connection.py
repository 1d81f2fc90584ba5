"""Connections to the SQLite files of a bar store."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kaboom.bars.folder.errors import store_errors

#: How long a connection waits for a writer.
BUSY_TIMEOUT_S = 60.0


@contextmanager
def connected(path: Path, options: str) -> Iterator[sqlite3.Connection]:
    """Open a file for the body, with SQLite's URI options such as `mode=rw`; errors are raised as `StoreError`."""
    address = f"{path.absolute().as_uri()}?{options}"
    with (
        store_errors(path),
        closing(sqlite3.connect(address, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None)) as sql,
    ):
        yield sql


def has_table(sql: sqlite3.Connection, name: str) -> bool:
    """Return whether a file has a table."""
    return bool(sql.execute("SELECT EXISTS (SELECT 1 FROM sqlite_schema WHERE name = ?)", (name,)).fetchone()[0])
