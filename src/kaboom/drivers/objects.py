"""A folder of files on the disk or in a bucket: the port that both have, and the folder on the disk."""

import asyncio
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Collection
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from kaboom.drivers.disk import make_folders
from kaboom.drivers.drafts import sweep_drafts, write_durably
from kaboom.errors import Conflict, InvalidRequest


@dataclass(frozen=True, slots=True)
class Stored:
    """The content of a file that is replaced in place, and its tag, which changes with it."""

    content: bytes
    tag: object


class ObjectFolder(Protocol):
    """A folder of files; names are below it, with `/` between their parts.

    Each method raises an error of `kaboom.errors` that names the place and the cause, within seconds.
    """

    @property
    def place(self) -> str:
        """The folder as its user wrote it, without a `/` at its end."""
        ...

    @property
    def desk(self) -> Path | None:
        """Where files are written that `add` takes: in the folder itself, or None for any place on the disk."""
        ...

    def hold(self) -> AbstractAsyncContextManager[None]:
        """Keep other writers of the folder away, where that is possible.

        Raises:
            Conflict: another process writes to it.

        """
        ...

    async def list_names(self) -> list[str]:
        """Return the names of all files, sorted."""
        ...

    async def read(self, name: str) -> Stored | None:
        """Return a small file; None if it does not exist."""
        ...

    async def add(self, name: str, path: Path) -> None:
        """Take a complete file, which nobody changes later, under a new name."""
        ...

    async def replace(self, name: str, content: bytes) -> None:
        """Write a small file in one step."""
        ...

    async def swap(self, name: str, content: bytes, old: Stored | None) -> None:
        """Write a small file in one step if it has not changed since `old` was read; None: if it does not exist.

        Raises:
            Conflict: another process wrote it.

        """
        ...

    async def delete(self, names: Collection[str]) -> None:
        """Delete files; one that is gone is no error."""
        ...


@dataclass(frozen=True, slots=True)
class LocalFolder:
    """A folder on the disk, which is made when it is held."""

    folder: Path

    @property
    def place(self) -> str:
        return str(self.folder)

    @property
    def desk(self) -> Path | None:
        return self.folder

    @asynccontextmanager
    async def hold(self) -> AsyncIterator[None]:
        try:
            handle = await asyncio.to_thread(self._open)
        except OSError as e:
            raise InvalidRequest(f"{self.folder} cannot be written: {e.strerror}") from e
        try:
            self._lock(handle)
            yield
        finally:
            os.close(handle)

    def _open(self) -> int:
        make_folders(self.folder)
        sweep_drafts(self.folder)
        return os.open(self.folder, os.O_RDONLY)

    def _lock(self, handle: int) -> None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as e:
            raise Conflict(f"another process writes to {self.folder}: run it again when that has ended") from e
        except OSError:
            # A mounted bucket has no locks: `swap` notices most other writers.
            return

    async def list_names(self) -> list[str]:
        return await asyncio.to_thread(self._list)

    def _list(self) -> list[str]:
        files = (Path(root) / name for root, _, names in os.walk(self.folder) for name in names)
        return sorted(path.relative_to(self.folder).as_posix() for path in files)

    async def read(self, name: str) -> Stored | None:
        try:
            content = await asyncio.to_thread((self.folder / name).read_bytes)
        except FileNotFoundError:
            return None
        return Stored(content, hashlib.sha256(content).digest())

    async def add(self, name: str, path: Path) -> None:
        if path != self.folder / name:
            raise AssertionError(f"{path} was not written to its place")

    async def replace(self, name: str, content: bytes) -> None:
        await asyncio.to_thread(write_durably, self.folder / name, lambda whole: whole.write_bytes(content))

    async def swap(self, name: str, content: bytes, old: Stored | None) -> None:
        found = await self.read(name)
        if (found and found.tag) != (old and old.tag):
            raise Conflict(f"another process wrote {name} in {self.folder} meanwhile: run it again")
        await self.replace(name, content)

    async def delete(self, names: Collection[str]) -> None:
        for name in names:
            await asyncio.to_thread((self.folder / name).unlink, missing_ok=True)
