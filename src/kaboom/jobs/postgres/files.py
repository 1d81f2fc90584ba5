"""The files of jobs: the port to them, and files in memory."""

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


class MemoryJobFiles:
    """`JobFiles` in memory."""

    def __init__(self) -> None:
        self._files: dict[str, dict[str, bytes]] = {}

    async def save(self, job_id: str, files: Mapping[str, bytes]) -> None:
        for name, content in files.items():
            check_size(name, content)
        self._files.setdefault(job_id, {}).update(files)

    async def load(self, job_id: str, name: str) -> bytes | None:
        return self._files.get(job_id, {}).get(name)

    async def load_all(self, job_id: str, prefix: str) -> dict[str, bytes]:
        kept = self._files.get(job_id, {})
        return {name: content for name, content in sorted(kept.items()) if name.startswith(prefix)}

    async def drop(self, job_id: str, prefix: str) -> None:
        for name in await self.load_all(job_id, prefix):
            del self._files[job_id][name]
