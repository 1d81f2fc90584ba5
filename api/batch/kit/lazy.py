"""A value that is built on first use, off the event loop."""

import asyncio
from collections.abc import Callable


class Lazy[T]:
    """A value that is built once, on first use, in a thread, so that a slow import does not block the event loop."""

    def __init__(self, build: Callable[[], T]) -> None:
        self._build = build
        self._built: list[T] = []
        self._lock = asyncio.Lock()

    async def get(self) -> T:
        """Return the value; if building it failed, the next call tries again."""
        if not self._built:
            async with self._lock:
                if not self._built:
                    self._built.append(await asyncio.to_thread(self._build))
        return self._built[0]
