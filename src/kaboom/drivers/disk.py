"""Whether a folder's disk accepts a write, how much space is free, and files that are on the disk for certain."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from kaboom.errors import StoreError

#: Below FULL PostgreSQL cannot begin the next file of its write-ahead log, and ends.
FULL_BYTES, FULL_INODES = 16 * 1024**2, 10
#: Below FAULT a write may fail today, below WARN soon: a session of a section takes 4 MB of bars, each write-ahead log
#: of bars up to 32 MiB, and PostgreSQL's up to 1 GB.
FAULT_BYTES, WARN_BYTES = 256 * 1024**2, 2 * 1024**3
FAULT_INODES, WARN_INODES = 1_000, 10_000
_PROBE_BYTES = 64 * 1024
_MOUNTS = Path("/proc/self/mountinfo")


@dataclass(frozen=True, slots=True)
class Room:
    """The free space of a folder's disk; a number is None if the file system has no such limit."""

    free_bytes: int | None
    free_inodes: int | None
    device: int

    @property
    def is_full(self) -> bool:
        """Whether there is so little space that servers end."""
        return bool(self._below(FULL_BYTES, FULL_INODES))

    @property
    def fault(self) -> str:
        """A sentence if the disk is almost full, else ""."""
        return self._below(FAULT_BYTES, FAULT_INODES)

    @property
    def warning(self) -> str:
        """A sentence if the disk is filling up, else ""."""
        return self._below(WARN_BYTES, WARN_INODES)

    def _below(self, least_bytes: int, least_inodes: int) -> str:
        if self.free_bytes is not None and self.free_bytes < least_bytes:
            return f"{_mib(self.free_bytes)} are free, expected {_mib(least_bytes)} or more"
        if self.free_inodes is not None and self.free_inodes < least_inodes:
            return f"{self.free_inodes:,} inodes are free, expected {least_inodes:,} or more"
        return ""


def try_write(folder: Path) -> None:
    """Write 64 KiB to a folder's disk and remove them.

    Raises:
        StoreError: the folder does not accept a write.

    """
    try:
        write_and_remove(folder, size=_PROBE_BYTES)
    except OSError as e:
        raise StoreError(f"{folder} does not accept a write: {e.strerror or e}") from e


def write_and_remove(folder: Path, *, size: int) -> None:
    """Write `size` bytes to a folder's disk and remove them; raises OSError if that fails."""
    # The file has no name if the system supports that, so a killed process leaves nothing behind.
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def measure_room(folder: Path) -> Room:
    """Return the free space of the disk of a folder, which may not exist yet.

    Raises:
        StoreError: the disk does not answer.

    """
    place = nearest_folder(folder)
    try:
        found = os.statvfs(place)
        device = place.stat().st_dev
    except OSError as e:
        raise StoreError(f"{place} does not answer: {e.strerror or e}") from e
    # A total of 0 is no limit: btrfs creates inodes on demand, and a tmpfs may have no size.
    free_bytes = found.f_bavail * found.f_frsize if found.f_blocks else None
    return Room(free_bytes, found.f_favail if found.f_files else None, device)


def find_full(folder: Path) -> str:
    """Return a sentence that says that the disk of a folder is full; "" if it has room or does not answer."""
    try:
        room = measure_room(folder)
    except StoreError:
        return ""
    return f"the disk of {folder} is full: {room.fault}; free space on it" if room.is_full else ""


def is_in_user_space(folder: Path, mounts: Path = _MOUNTS) -> bool:
    """Return whether a folder is on a FUSE file system, such as a mounted bucket; False if that is unknown.

    Locks on it exclude only processes of this machine, while other machines use the same files.
    """
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return False
    found = (line.split() for line in lines)
    types = {parts[4]: parts[parts.index("-") + 1] for parts in found if "-" in parts}
    place = folder.absolute()
    return next((types[str(p)] for p in (place, *place.parents) if str(p) in types), "").startswith("fuse")


def nearest_folder(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _mib(count: int) -> str:
    return f"{count / 1024**2:,.0f} MiB"


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
