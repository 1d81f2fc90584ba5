"""Replacing a file of a bar store in one step, while no other process writes to its folder."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from kaboom.bars.folder.catalogue import Catalogue
from kaboom.bars.folder.errors import store_errors
from kaboom.bars.folder.lock import folder_lock
from kaboom.bars.pages.repair.archive import DamageArchive
from kaboom.drivers.durable import make_folders, sync

_LOCK_S = 60.0


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
