"""The folder that damaged files and pages are moved to, and replacing a file; nothing in it is ever deleted."""

import os
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.connection import folder_lock, store_errors
from kaboom.drivers.disk import make_folders, sync

#: Not the name of a source, so that it is not searched for bars; on the disk of the bars, so that files can be moved.
FOLDER = "_set-aside"
_LOCK_S = 60.0


class DamageArchive:
    """The files and rows that one repair removes from the store, in a folder created on first use."""

    def __init__(self, root: Path, at: datetime) -> None:
        self._root = root
        self._folder = root / FOLDER / at.strftime("%Y%m%dT%H%M%S.%fZ")

    def keep_rows(self, path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
        """Keep rows of a file as JSON lines, blobs in base64; return the path of the durable file.

        Raises:
            OSError: the rows could not be written.

        """
        kept = self._place(path).with_suffix(".pages.jsonl")
        with kept.open("ab") as file:
            for row in rows:
                file.write(orjson.dumps(dict(row), default=_encode) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        sync(kept.parent)
        return kept

    def keep_file(self, path: Path, *beside: str) -> Path:
        """Link a file here, move the files beside it (such as `-wal`), and return the path; the file itself stays.

        Raises:
            OSError: a file could not be linked or moved.

        """
        kept = self._place(path)
        for suffix in beside:
            with suppress(FileNotFoundError):
                path.with_name(f"{path.name}{suffix}").rename(kept.with_name(f"{kept.name}{suffix}"))
        with suppress(FileNotFoundError):
            os.link(path, kept)
        sync(kept.parent)
        return kept

    def _place(self, path: Path) -> Path:
        place = self._folder / path.relative_to(self._root)
        make_folders(place.parent)
        return place


def _encode(value: object) -> str:
    if isinstance(value, bytes):
        return b64encode(value).decode()
    raise TypeError(f"a row had a {type(value).__name__}, expected a number, a text or bytes")


@contextmanager
def sole_writer(path: Path) -> Iterator[None]:
    """Keep all other writers out of the folder of a file, which is created if it is missing.

    Raises:
        StoreError: writers did not release the lock in time, or the disk failed.

    """
    with store_errors(path):
        make_folders(path.parent)
        with folder_lock(path.parent, is_shared=False, within_s=_LOCK_S):
            yield


def swap_file[T](
    path: Path, fill: Callable[[Path], T], catalogue: Catalogue, archive: DamageArchive, *beside: str
) -> tuple[T, Path]:
    """Archive a file, with the files `beside` it, and put a new file, written by `fill`, in its place.

    Returns the result of `fill`, and the new path of the old file.
    """
    fresh = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.new")
    try:
        result = fill(fresh)
        # Archived before the new file is in place: SQLite would apply the old log to the new file.
        kept = archive.keep_file(path, *beside)
        fresh.replace(path)
        sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)
    catalogue.note(path)
    return result, kept
