"""Health checks of parts, with a time limit; concurrent callers share the answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from contextlib import suppress
from pathlib import Path
from time import monotonic

from kaboom.drivers.disk import find_full, measure_room, try_write
from kaboom.errors import KaboomError, StoreError

_DISK_S = 0.5


async def find_fault(question: Awaitable[object], *, within_s: float) -> str:
    """Return why a part does not work, or "" if it works."""
    try:
        async with asyncio.timeout(within_s):
            await question
    except KaboomError as e:
        return e.message
    except TimeoutError:
        return f"no answer in {within_s:g} s"
    return ""


class RecentAnswer[T]:
    """The answer to one question: shared by all callers while it is being found, and for `for_s` seconds after that."""

    def __init__(self, find: Callable[[], Awaitable[T]], *, for_s: float = 1.0) -> None:
        self._find = find
        self._for_s = for_s
        self._finding: asyncio.Future[T] | None = None
        self._found_at = 0.0

    async def get(self) -> T:
        """Return the answer; find it again if it is older than `for_s`."""
        if self._finding is None or (self._finding.done() and monotonic() - self._found_at >= self._for_s):
            self._finding = asyncio.ensure_future(self._ask())
        # A caller that is cancelled must not cancel the search for the others.
        return await asyncio.shield(self._finding)

    async def _ask(self) -> T:
        try:
            return await self._find()
        finally:
            self._found_at = monotonic()


class KeptAnswers[T]:
    """The recent answers to at most `most` questions; the least recently asked one is evicted."""

    def __init__(self, *, for_s: float, most: int = 64) -> None:
        self._for_s = for_s
        self._most = most
        self._kept: OrderedDict[Hashable, RecentAnswer[T]] = OrderedDict()

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question; find it again if it is older than `for_s`."""
        if question not in self._kept:
            self._kept[question] = RecentAnswer(find, for_s=self._for_s)
        self._kept.move_to_end(question)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return await self._kept[question].get()


class DataDisk:
    """Looks whether the disk of the data folder is full, the usual reason why an embedded server does not answer."""

    def __init__(self, folder: Path) -> None:
        self._full = RecentAnswer(lambda: asyncio.to_thread(find_full, folder))

    async def find_full(self) -> str:
        """Return a sentence that says that the disk is full, or ""."""
        # A disk that hangs blocks one thread, and delays no answer by more than this.
        with suppress(TimeoutError):
            async with asyncio.timeout(_DISK_S):
                return await self._full.get()
        return ""

    async def explain(self, message: str) -> str:
        """Return the message of an unavailable part, with the full disk as its cause."""
        full = await self.find_full()
        return f"{full} ({message})" if full else message


class BarsFolder:
    """Checks whether the folder of bars accepts a write; a disk that hangs blocks only one thread."""

    def __init__(self, folder: Path | None) -> None:
        """Take the folder of the bar store; None if bars are kept elsewhere."""
        self._folder = folder
        self._written = RecentAnswer(lambda: asyncio.to_thread(self._try), for_s=0.0)

    @property
    def is_here(self) -> bool:
        """Whether bars are kept in a folder that this process can see."""
        return self._folder is not None and self._folder.is_dir()

    async def try_write(self) -> None:
        """Raise StoreError unless the folder accepts a small write and its disk has room; without one do nothing."""
        if self.is_here:
            await self._written.get()

    def _try(self) -> None:
        if self._folder is not None:
            try_write(self._folder)
            if fault := measure_room(self._folder).fault:
                raise StoreError(f"the disk of {self._folder} is all but full: {fault}")
