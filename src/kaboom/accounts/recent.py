"""Lookups that are cached for a few seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

#: A revocation takes effect in every process within this time. During an outage of PostgreSQL cached callers are
#: still accepted for this time.
KEPT_S = 5.0
#: About 500 bytes each. The oldest answers are dropped.
_MOST = 10_000


class Recent[V]:
    """Looks values up by key; concurrent callers share a lookup. An answer without a value is cached, too."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[V | None]],
        turns: asyncio.Semaphore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the lookup, and `turns`, which limits the concurrent lookups."""
        self._load = load
        self._turns = turns
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, V | None]] = OrderedDict()
        self._running: dict[str, asyncio.Task[V | None]] = {}

    async def get(self, key: str) -> V | None:
        """Return the value of a key, as it was at most KEPT_S ago.

        Raises:
            StoreError: no answer is cached, and the value cannot be looked up.

        """
        began_at, value = self._kept.get(key, (float("-inf"), None))
        if self._clock() - began_at < KEPT_S:
            return value
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look_up(key), name="lookup")
        # If this caller is cancelled, the lookup continues for the others.
        return await asyncio.shield(task)

    def has_found(self, key: str) -> bool:
        """Return whether the last answer about a key was a value, however long ago."""
        return self._kept.get(key, (0.0, None))[1] is not None

    def forget(self, key: str) -> None:
        """Drop the cached answer for a key, because this process has changed its value."""
        self._kept.pop(key, None)
        self._running.pop(key, None)

    async def _look_up(self, key: str) -> V | None:
        mine = asyncio.current_task()
        try:
            async with self._turns:
                began_at = self._clock()
                value = await self._load(key)
            if self._running.get(key) is mine:
                self._keep(key, began_at, value)
            return value
        finally:
            if self._running.get(key) is mine:
                del self._running[key]

    def _keep(self, key: str, began_at: float, value: V | None) -> None:
        self._kept[key] = began_at, value
        self._kept.move_to_end(key)
        if len(self._kept) > _MOST:
            self._kept.popitem(last=False)
