"""Access to the SQLite files of a bar store: connections, the lock of a folder, and errors as `StoreError`."""

import errno
import fcntl
import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from kaboom.errors import StoreDamaged, StoreError

#: How long a connection waits for a writer.
BUSY_TIMEOUT_S = 60.0
#: The command that repairs damage and fetches the bars again.
REPAIR = "kaboom bars repair"
_DAMAGE = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_RETRYABLE = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_RETRYABLE_OS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE}
)
_PAUSE_S = 0.005


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


@contextmanager
def store_errors(where: Path) -> Iterator[None]:
    """Turn errors of SQLite or the file system about `where` into `StoreError`.

    Raises:
        StoreDamaged: the file is corrupt, or not a database.
        StoreError: retryable if the disk was full or the file busy, not if it cannot be reached.

    """
    try:
        yield
    except sqlite3.Error as e:
        code = getattr(e, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
        retryable = code in _RETRYABLE
        name = getattr(e, "sqlite_errorname", "no code")
        if code in _DAMAGE:
            raise StoreDamaged(f"bar file {where}: {e} ({name})", repair=REPAIR) from e
        raise StoreError(f"bar file {where}: {e} ({name})", retryable=retryable) from e
    except UnicodeDecodeError as e:
        # SQLite itself does not look at texts.
        raise StoreDamaged(f"bar file {where}: a text in it is not UTF-8", repair=REPAIR) from e
    except OSError as e:
        retryable = e.errno in _RETRYABLE_OS
        raise StoreError(f"bar file {where}: {e.strerror or e}", retryable=retryable) from e


@contextmanager
def folder_lock(folder: Path, *, is_shared: bool, within_s: float) -> Iterator[None]:
    """Hold the lock of a folder: shared for the transaction of a writer, alone for a repair.

    Raises:
        StoreError: the lock was not free within `within_s` seconds; retryable.
        OSError: the folder cannot be opened.

    """
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + within_s
        while not _is_taken(handle, fcntl.LOCK_SH if is_shared else fcntl.LOCK_EX):
            if time.monotonic() > deadline:
                raise StoreError(f"bar files in {folder} were locked for {within_s:g} s by a repair or by writers")
            time.sleep(_PAUSE_S)
        yield
    finally:
        os.close(handle)


def _is_taken(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
