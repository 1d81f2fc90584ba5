"""One answer for all who ask the same question at the same time: ten open dashboards cost as much as one."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

from batch.kit.batching import CallBatcher


class Sharing[T]:
    """Finds an answer once for all callers that asked before the search began, so none gets an older answer."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, CallBatcher[Callable[[], Awaitable[T]], T]] = {}

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question, found by one of its callers."""
        group = self._groups.setdefault(question, CallBatcher(_find_once, max_size=10_000))
        try:
            return await group.call(find)
        finally:
            if group.is_idle:
                self._groups.pop(question, None)


@dataclass(frozen=True, slots=True)
class OwnersSharing[T]:
    """Shares answers between the callers of one owner, and with nobody else."""

    sharing: Sharing[T]
    owner: str

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question that one of this owner's callers finds."""
        return await self.sharing.ask((self.owner, question), find)


async def _find_once[T](finders: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    return [await finders[0]()] * len(finders)
