"""Errors of SQLite and the file system as `StoreError`, and the command that repairs damage."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaboom.errors import StoreDamaged, StoreError

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
