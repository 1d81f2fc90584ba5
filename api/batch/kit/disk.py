"""Whether a folder's disk takes a write, and how much room it has."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from batch.errors import StoreError

#: Below the first numbers a write may fail today, below the second ones soon: a session of a whole section takes 4 MB
#: of bars, the write-ahead logs of bars 32 MiB a file, and PostgreSQL's own 1 GB at most.
FAULT_BYTES, WARN_BYTES = 256 * 1024**2, 2 * 1024**3
FAULT_INODES, WARN_INODES = 1_000, 10_000
_PROBE_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Room:
    """What is free on the disk of a folder; `free_inodes` is None where the file system counts none."""

    free_bytes: int
    free_inodes: int | None
    device: int

    @property
    def fault(self) -> str:
        """Return in words that it is all but full; "" where it is not."""
        return self._below(FAULT_BYTES, FAULT_INODES)

    @property
    def warning(self) -> str:
        """Return in words that it fills up; "" where it does not."""
        return self._below(WARN_BYTES, WARN_INODES)

    def _below(self, least_bytes: int, least_inodes: int) -> str:
        if self.free_bytes < least_bytes:
            return f"{_mib(self.free_bytes)} are free, expected {_mib(least_bytes)} or more"
        if self.free_inodes is not None and self.free_inodes < least_inodes:
            return f"{self.free_inodes:,} inodes are free, expected {least_inodes:,} or more"
        return ""


def try_write(folder: Path) -> None:
    """Write 64 KiB in a folder, have it reach the disk, and remove it.

    Raises:
        StoreError: the folder does not take it.

    """
    try:
        write_probe(folder, size=_PROBE_BYTES)
    except OSError as e:
        raise StoreError(f"{folder} does not take a write: {e.strerror or e}") from e


def write_probe(folder: Path, *, size: int) -> None:
    """Write so many bytes in a folder, have them reach the disk, and remove them.

    Raises:
        OSError: the folder does not take them.

    """
    # Without a name where the system has that: a process killed here leaves nothing behind.
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size))
        file.flush()
        os.fsync(file.fileno())


def measure_room(folder: Path) -> Room:
    """Return what is free where a folder is, or will be made.

    Raises:
        StoreError: the disk does not answer.

    """
    place = nearest_folder(folder)
    try:
        found = os.statvfs(place)
        device = place.stat().st_dev
    except OSError as e:
        raise StoreError(f"{place} does not answer: {e.strerror or e}") from e
    # Some file systems, such as btrfs, make inodes as they are needed and count none.
    return Room(found.f_bavail * found.f_frsize, found.f_favail if found.f_files else None, device)


def nearest_folder(folder: Path) -> Path:
    """Return a folder, or the nearest one above it that exists."""
    return next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())


def _mib(count: int) -> str:
    return f"{count / 1024**2:,.0f} MiB"
