"""The folder with the metrics of a worker's processes; the main process creates a new one when it starts."""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

import psutil

#: prometheus-client reads this variable each time that it opens a file.
_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"
_PREFIX = "kaboom-metrics-"


def make_shared_folder() -> Path:
    """Create the folder, which is deleted when this process ends; delete the folders of killed workers."""
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
    """Return the folder that the parent process has created."""
    named = os.environ.get(_VARIABLE)
    return Path(named) if named else None


def _drop(folder: Path, owner: int) -> None:
    # A forked child inherits this handler, but must not delete its parent's folder.
    if os.getpid() == owner:
        shutil.rmtree(folder, ignore_errors=True)
