"""Lookups whose answers are kept for a few seconds."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable

#: A revocation holds within this time in every process; an outage of PostgreSQL shuts nobody out before it has passed.
KEPT_S = 5.0
#: About 500 bytes each. The answers that are oldest are dropped.
_MOST = 10_000


class Recent[V]:
    """Looks values up by key; concurrent lookups of a key are one. That there is no value is kept, too."""

    def __init__(
        self,
        load: Callable[[str], Awaitable[V | None]],
        turns: asyncio.Semaphore,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Take the lookup, and `turns`, which bounds how many run at once."""
        self._load = load
        self._turns = turns
        self._clock = clock
        self._kept: OrderedDict[str, tuple[float, V | None]] = OrderedDict()
        self._running: dict[str, asyncio.Task[V | None]] = {}

    def __len__(self) -> int:
        """Return the number of kept answers."""
        return len(self._kept)

    async def get(self, key: str) -> V | None:
        """Return the value of a key, as it was at most KEPT_S ago.

        Raises:
            StoreError: no answer is kept, and none can be looked up.

        """
        began_at, value = self._kept.get(key, (float("-inf"), None))
        if self._clock() - began_at < KEPT_S:
            return value
        task = self._running.get(key)
        if task is None:
            task = self._running[key] = asyncio.create_task(self._look_up(key), name="lookup")
        # A cancelled caller leaves the lookup to the others.
        return await asyncio.shield(task)

    def has_found(self, key: str) -> bool:
        """Return whether the last answer about a key was a value, however long ago."""
        return self._kept.get(key, (0.0, None))[1] is not None

    def forget(self, key: str) -> None:
        """Look a key up anew from now on: this process has changed its value."""
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
