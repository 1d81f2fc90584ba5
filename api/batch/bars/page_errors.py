"""What SQLite and the file system can say, as `StoreError`."""

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch.errors import StoreError

_WORTH_RETRYING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_WORTH_RETRYING_OS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE}
)


@contextmanager
def store_errors(where: Path) -> Iterator[None]:
    """Turn what SQLite or the file system raises about `where` into `StoreError`.

    Raises:
        StoreError: retryable when the disk was full or the file busy, not when it is corrupt or out of reach.

    """
    try:
        yield
    except sqlite3.Error as e:
        code = getattr(e, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
        retryable = code & 0xFF in _WORTH_RETRYING
        name = getattr(e, "sqlite_errorname", "no code")
        raise StoreError(f"bar file {where}: {e} ({name})", retryable=retryable) from e
    except OSError as e:
        retryable = e.errno in _WORTH_RETRYING_OS
        raise StoreError(f"bar file {where}: {e.strerror or e}", retryable=retryable) from e
