"""Whether a folder is safe to load code from: no other user can change what it contains."""

import os
import stat
from pathlib import Path

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def is_private(folder: Path) -> bool:
    """Return whether only this user and root can change a folder's content, or put another folder in its place."""
    try:
        place = folder.resolve(strict=True)
        return _is_ours(place.stat()) and all(
            # In a folder with the sticky bit, such as /tmp, others cannot replace what they do not own.
            _is_ours(found) or (found.st_uid == 0 and found.st_mode & stat.S_ISVTX)
            for found in (parent.stat() for parent in place.parents)
        )
    except OSError:
        return False


def _is_ours(found: os.stat_result) -> bool:
    return found.st_uid in {0, os.geteuid()} and not found.st_mode & _OTHERS_WRITE
