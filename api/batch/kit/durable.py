"""Making files durable."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Return when a file's bytes are on the disk, or a folder's names: a new file is durable only with its folder.

    Raises:
        OSError: it cannot be opened, or the disk failed.

    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Make a folder and those above it that are missing; on return their names are on the disk.

    Raises:
        OSError: it cannot be made, or the disk failed.

    """
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync(made.parent)
