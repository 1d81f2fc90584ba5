"""A draft folder that is renamed into place when it is complete, so that a kill leaves no half folder."""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kaboom.cli.stack.data_folder import end_orphans
from kaboom.drivers.durable import make_folders, sync
from kaboom.errors import Conflict


@contextmanager
def draft_of(target: Path, *, mode: int = 0o700) -> Iterator[Path]:
    """Yield a hidden draft folder beside the target; it replaces the target at the end.

    Raises:
        Conflict: the target is a mount point, or is not an empty folder.
        OSError: the folder cannot be created.

    """
    target = target.resolve()
    _check_free(target)
    make_folders(target.parent)
    _remove_abandoned(target)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(4)}.draft")
    draft.mkdir(mode=mode)
    handle = os.open(draft, os.O_RDONLY)
    try:
        # The lock shows other processes that this draft is in use.
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield draft
        sync(draft)
        _check_free(target)
        draft.replace(target)
        sync(target.parent)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    finally:
        os.close(handle)


def _check_free(target: Path) -> None:
    if target.is_mount():
        raise Conflict(f"{target} is a mount point, which cannot be replaced: name a folder in it")
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise Conflict(f"{target} is there and not empty: name a folder that is empty or not there")


def _remove_abandoned(target: Path) -> None:
    for draft in target.parent.glob(f".{target.name}.*.draft"):
        handle = os.open(draft, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            # Another process uses the draft.
            continue
        else:
            # A killed restore may have left its PostgreSQL running.
            end_orphans(draft)
            shutil.rmtree(draft)
        finally:
            os.close(handle)
