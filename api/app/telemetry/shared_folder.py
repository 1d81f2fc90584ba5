"""The folder in which the processes of one worker keep their numbers, made fresh by its main process."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psutil

#: Where prometheus-client looks for the folder each time that it opens a file.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "kaboom-metrics-"


def make_shared_folder() -> Path:
    """Make the folder, which ends with this process, and drop those of workers that were killed."""
    parent = Path(tempfile.gettempdir())
    for left in parent.glob(f"{_PREFIX}*"):
        pid = left.name.removeprefix(_PREFIX).partition("-")[0]
        if pid.isdigit() and not psutil.pid_exists(int(pid)):
            shutil.rmtree(left, ignore_errors=True)
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    os.environ[_VARIABLE] = str(made)
    atexit.register(_drop, made, os.getpid())
    return made


def find_shared_folder() -> Path | None:
    """Return the folder that this process's parent has made."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else None


def _drop(folder: Path, owner: int) -> None:
    # A child that was forked has inherited the wish, and not the right.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
