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
