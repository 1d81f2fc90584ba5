"""Making files durable."""

import os
from pathlib import Path


def sync(path: Path) -> None:
    """Flush a file's content, or a folder's entries, to the disk; a new file needs both.

    Raises:
        OSError: the file or folder cannot be opened, or the disk failed.

    """
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def make_folders(folder: Path) -> None:
    """Create a folder and its missing parents; on return they are on the disk.

    Raises:
        OSError: the folder cannot be created, or the disk failed.

    """
    missing = [f for f in (folder, *folder.parents) if not f.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    for made in missing:
        sync(made.parent)
