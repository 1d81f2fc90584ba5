"""Concurrent identical requests share one answer: ten open dashboards cost as much as one."""

from collections.abc import Awaitable, Callable, Hashable, Sequence
from dataclasses import dataclass

from kaboom.drivers.batcher import CallBatcher
from kaboom.web.auth.scopes import Scope


class Sharing[T]:
    """Finds an answer once for all callers that asked before the search began; no caller gets an older answer."""

    def __init__(self) -> None:
        self._groups: dict[Hashable, CallBatcher[Callable[[], Awaitable[T]], T]] = {}

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question; one of the concurrent callers finds it for all."""
        group = self._groups.setdefault(question, CallBatcher(_find_once, max_size=10_000))
        try:
            return await group.call(find)
        finally:
            if group.is_idle:
                self._groups.pop(question, None)


@dataclass(frozen=True, slots=True)
class OwnersSharing[T]:
    """Shares answers between callers of one owner with the same scopes only."""

    sharing: Sharing[T]
    owner: str
    scopes: frozenset[Scope]

    async def ask(self, question: Hashable, find: Callable[[], Awaitable[T]]) -> T:
        """Return the answer to a question; one of these callers finds it for all."""
        return await self.sharing.ask((self.owner, self.scopes, question), find)


async def _find_once[T](finders: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    return [await finders[0]()] * len(finders)
