"""Asking a part whether it works, within a time, and sharing the answer."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Hashable
from time import monotonic

from app.engine.parts import Parts
from batch.errors import KaboomError, StoreError
from batch.kit.disk import measure_room, try_write


async def find_fault(question: Awaitable[None], *, within_s: float) -> str:
    """Return why a part does not answer, in words; "" where it does."""
    try:
        async with asyncio.timeout(within_s):
            await question
    except KaboomError as e:
        return e.message
    except TimeoutError:
        return f"no answer in {within_s:g} s"
    return ""


class RecentAnswer[T]:
    """The answer to one question, shared by all who ask while it is looked for and for `for_s` seconds after."""

    def __init__(self, find: Callable[[], Awaitable[T]], *, for_s: float = 1.0) -> None:
        self._find = find
        self._for_s = for_s
        self._finding: asyncio.Future[T] | None = None
        self._found_at = 0.0

    async def get(self) -> T:
        """Return the answer, found anew where it is older."""
        if self._finding is None or (self._finding.done() and monotonic() - self._found_at >= self._for_s):
            self._finding = asyncio.ensure_future(self._ask())
        # One caller who leaves takes the answer from nobody.
        return await asyncio.shield(self._finding)

    async def _ask(self) -> T:
        try:
            return await self._find()
        finally:
            self._found_at = monotonic()


class KeptAnswers[T]:
    """The recent answers to several questions; of more than `most`, the one asked longest ago is forgotten."""

    def __init__(self, *, for_s: float, most: int = 64) -> None:
        self._for_s = for_s
        self._most = most
        self._kept: OrderedDict[Hashable, RecentAnswer[T]] = OrderedDict()

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question, found anew where it is older."""
        if question not in self._kept:
            self._kept[question] = RecentAnswer(find, for_s=self._for_s)
        self._kept.move_to_end(question)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)
        return await self._kept[question].get()


class BarsFolder:
    """Asks whether the folder of bars takes a write; a disk that hangs holds up one thread, however many ask."""

    def __init__(self, parts: Parts) -> None:
        settings = parts.settings
        is_remote = settings.keeps_bars_in_influxdb or settings.bar_store == "memory"
        self._folder = None if is_remote else settings.bars_dir
        self._asking: asyncio.Future[None] | None = None

    @property
    def is_here(self) -> bool:
        """Whether bars are kept in a folder that this process can see."""
        return self._folder is not None and self._folder.is_dir()

    async def try_write(self) -> None:
        """Raise StoreError unless the folder takes a small write and its disk has room; without a folder do nothing."""
        if not self.is_here:
            return
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(asyncio.to_thread(self._try))
        await asyncio.shield(self._asking)

    def _try(self) -> None:
        if self._folder is not None:
            try_write(self._folder)
            if fault := measure_room(self._folder).fault:
                raise StoreError(f"the disk of {self._folder} is all but full: {fault}")
