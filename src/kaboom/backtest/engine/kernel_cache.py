"""The folder with the kernel's machine code, and whether the code of this source and processor is in it.

Machine code is unpickled, which runs code: a folder that another user can write to is not used.
"""

import hashlib
import os
import platform
import stat
from functools import cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

_ENGINE = Path(__file__).parent
_MARK = "kernel.built"
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def has_numba() -> bool:
    """Return whether compiled code can run: the extra `backtest` is installed."""
    return find_spec("numba") is not None


def kernel_folder() -> Path | None:
    """Return the folder with the machine code, or else the one to put it in; None if no folder is safe to use.

    The first of NUMBA_CACHE_DIR, the folder of the byte code, and the user's cache folder. A folder that is not
    writable, such as that of an image, is used if its code is for this source and processor.
    """
    safe = [folder for folder in _folders() if _make(folder) and is_private(folder)]
    built = (folder for folder in safe if is_built(folder))
    writable = (folder for folder in safe if os.access(folder, os.W_OK))
    return next(built, None) or next(writable, None)


def is_built(folder: Path) -> bool:
    """Return whether a folder has the machine code for this source, numba and processor."""
    try:
        return (folder / _MARK).read_text() == digest()
    except OSError:
        return False


def mark_built(folder: Path) -> None:
    """Record that a folder has the machine code."""
    (folder / _MARK).write_text(digest())


def _folders() -> list[Path]:
    if chosen := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(chosen) / "kaboom"]
    own = os.path.expanduser("~/.cache/kaboom/kernel")  # noqa: PTH111 (raises without a home)
    return [_ENGINE / "__pycache__", Path(own)]


def _make(folder: Path) -> bool:
    missing = [place for place in (folder, *folder.parents) if not place.exists()]
    try:
        # Not `parents=True`, which gives parents the mode of the umask.
        for place in reversed(missing):
            place.mkdir(mode=0o700, exist_ok=True)
    except OSError:
        return False
    return True


@cache
def digest() -> str:
    """Return hex digits that change with what machine code depends on: the sources, numba, and the processor."""
    sources = hashlib.sha256(b"".join(file.read_bytes() for file in sorted(_ENGINE.glob("*.py"))))
    options = sorted(f"{name}={value}" for name, value in os.environ.items() if name.startswith("NUMBA_CPU"))
    facts = (version("numba"), version("llvmlite"), platform.python_version(), platform.machine(), _cpu(), *options)
    sources.update("\n".join(facts).encode())
    return sources.hexdigest()


def _cpu() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = ("model name", "flags", "Features", "CPU part")
    return "\n".join(sorted({line for line in lines if line.startswith(names)}))


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
