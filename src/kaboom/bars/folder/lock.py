"""The lock on a folder of bar files: writers share it, and a repair that replaces a file holds it alone."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaboom.errors import StoreError

_PAUSE_S = 0.005


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
