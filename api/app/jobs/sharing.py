"""Shares one answer between concurrent callers with the same question, such as ten open dashboards."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

from batch.kit.batching import CallBatcher


class Sharing[T]:
    """Calls `find` once for all callers that asked before it began, so that nobody gets an outdated answer."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, CallBatcher[Callable[[], Awaitable[T]], T]] = {}

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of `find`; concurrent callers with the same question share one call."""
        group = self._groups.setdefault(question, CallBatcher(_find_once, max_size=10_000))
        try:
            return await group.call(find)
        finally:
            if group.is_idle:
                self._groups.pop(question, None)


@dataclass(frozen=True, slots=True)
class OwnersSharing[T]:
    """Shares answers between the callers of one owner only."""

    sharing: Sharing[T]
    owner: str

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer of `find`; concurrent callers of this owner with the same question share one call."""
        return await self.sharing.ask((self.owner, question), find)


async def _find_once[T](finders: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    return [await finders[0]()] * len(finders)
