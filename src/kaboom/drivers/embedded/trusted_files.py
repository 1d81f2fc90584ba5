"""Files that say where Kaboom is and hold its secrets: read only if nobody but us and root can have written them."""

import os
import pwd
import stat
from pathlib import Path

from kaboom.errors import ConfigurationError

_ROOT = 0
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def read_trusted(folder: Path, name: str) -> bytes | None:
    """Return the content of a file in a folder; None if the file is missing or unreadable.

    Raises:
        ConfigurationError: folder or file belongs to another user, or others can write it.

    """
    try:
        # What was opened is what is checked: the names may lead elsewhere a moment later.
        place = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            # Without waiting for the other end, should it be a pipe.
            handle = os.open(name, os.O_RDONLY | os.O_NONBLOCK, dir_fd=place)
            with os.fdopen(handle, "rb") as file:
                _check(folder, os.fstat(place))
                _check(folder / name, os.fstat(handle))
                return file.read()
        finally:
            os.close(place)
    except OSError:
        return None


def check_folder(folder: Path) -> None:
    """Check that nobody but us and root can have put files in a folder.

    Raises:
        ConfigurationError: as `read_trusted`.
        OSError: the folder cannot be read.

    """
    _check(folder, folder.stat())


def _check(path: Path, found: os.stat_result) -> None:
    if found.st_uid not in _trusted_users():
        owner = _name_of(found.st_uid)
        raise ConfigurationError(
            f"{path} belongs to the user {owner}, expected you or root: name your own data folder with --data-dir or"
            f" KABOOM_DATA_DIR, or run this command as {owner}"
        )
    if found.st_mode & _OTHERS_WRITE:
        mode = f"{stat.S_IMODE(found.st_mode):04o}"
        raise ConfigurationError(
            f"other users can write {path} (mode {mode}): check its content, then run `chmod go-w {path}`"
        )


def _trusted_users() -> set[int]:
    """Return ourselves and root; with sudo also the user who called it."""
    us = os.geteuid()
    caller = os.environ.get("SUDO_UID", "") if us == _ROOT else ""
    return {_ROOT, us} | ({int(caller)} if caller.isdecimal() else set())


def _name_of(user: int) -> str:
    try:
        return pwd.getpwuid(user).pw_name
    except KeyError:
        return str(user)
