"""Hidden folders for unfinished files: locked by the writing process, and removed by others after it died."""

import fcntl
import os
import re
import shutil
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from kaboom.drivers.disk import is_in_user_space, make_folders, sync

#: The stem of the future file and 32 hex digits, without the suffix of a format, so that `*.parquet` does not match.
_NAME = re.compile(r"\..+\.[0-9a-f]{32}")
#: The files in a draft: the parts, and the whole file.
_ENTRY = re.compile(r"whole|\d{6}")


@dataclass(frozen=True, slots=True)
class Draft:
    """A folder in which a file is written before it is moved into place; `close` removes it."""

    folder: Path
    _handle: int

    @classmethod
    def open(cls, path: Path) -> "Draft":
        """Create and lock a folder beside the future file at `path`.

        Raises:
            OSError: the folder cannot be created.

        """
        while True:
            folder = path.with_name(f".{path.stem}.{uuid.uuid4().hex}")
            folder.mkdir()
            # Another process may remove the folder before it is locked.
            with suppress(FileNotFoundError):
                handle = os.open(folder, os.O_RDONLY)
                # On a file system without locks nobody can lock the folder, so nobody removes it.
                if _lock(handle) is not False and folder.exists():
                    return cls(folder, handle)
                os.close(handle)

    def close(self) -> None:
        """Remove the folder and its content, then release the lock; the next sweep removes what is left.

        A thread whose caller was cancelled may still write to the folder, and then it cannot be removed.
        """
        shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._handle)


def write_durably(path: Path, write: Callable[[Path], object]) -> None:
    """Have `write` make a file at the path that it gets, and replace `path` by it in one step, on the disk on return.

    Raises:
        OSError: the file cannot be written; the old one is as it was.

    """
    make_folders(path.parent)
    draft = Draft.open(path)
    whole = draft.folder / "whole"
    try:
        write(whole)
        sync(whole)
        whole.replace(path)
    finally:
        draft.close()
    sync(path.parent)


def sweep_drafts(folder: Path) -> int:
    """Remove the drafts of dead processes in a folder; return how many. Failures are left to the next sweep.

    Nothing is removed on a mounted bucket, because a process of another machine may still be writing.
    """
    if is_in_user_space(folder):
        return 0
    swept = 0
    with suppress(OSError):
        for path in [Path(e.path) for e in os.scandir(folder) if _NAME.fullmatch(e.name)]:
            swept += _sweep(path)
    return swept


def _sweep(path: Path) -> bool:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        if not _lock(handle) or not all(_ENTRY.fullmatch(entry.name) for entry in path.iterdir()):
            return False
        shutil.rmtree(path)
    except OSError:
        return False
    finally:
        os.close(handle)
    return True


def _lock(handle: int) -> bool | None:
    """Return whether a folder was locked; None if its file system has no locks. A lock ends with its process."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True
