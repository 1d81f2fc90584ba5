"""The port to the files of jobs: kept with the job, and dropped with it."""

from collections.abc import Mapping
from typing import Protocol

from kaboom.errors import InvalidRequest

#: The largest size of a file, in bytes.
MOST_BYTES = 64 * 1024 * 1024


class JobFiles(Protocol):
    """The files of jobs, by name. All methods raise StoreError when the ledger is unavailable."""

    async def save(self, job_id: str, files: Mapping[str, bytes]) -> None:
        """Save files of a job, all or none; a file of the same name is replaced. On return they are durable.

        Raises:
            InvalidRequest: a file is too large.

        """
        ...

    async def load(self, job_id: str, name: str) -> bytes | None:
        """Return a file; None if the job has no file of this name."""
        ...

    async def load_all(self, job_id: str, prefix: str) -> dict[str, bytes]:
        """Return the files of a job whose names begin with a prefix."""
        ...

    async def drop(self, job_id: str, prefix: str) -> None:
        """Drop the files of a job whose names begin with a prefix."""
        ...


def check_size(name: str, content: bytes) -> None:
    """Reject a file that is too large.

    Raises:
        InvalidRequest: the file is larger than `MOST_BYTES`.

    """
    if len(content) > MOST_BYTES:
        raise InvalidRequest(f"{name} had {len(content)} bytes, expected at most {MOST_BYTES}")
