"""The requests of one process that wait for a permit: a few poll for it, the others queue."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from kaboom.providers.watch import tell_alive

#: Enough to notice a slot that another process freed within about 10 ms; each asks ten times a second.
_MOST_ASKING = 4
#: How often a queued request reports that it is alive.
_ALIVE_S = 5.0


class WaitQueue:
    """The waiting requests of this process, in their order."""

    def __init__(self) -> None:
        self._asking: dict[Waiter, None] = {}
        self._queued: deque[Waiter] = deque()

    @contextlib.contextmanager
    def join(self) -> Iterator["Waiter"]:
        """Join the queue for the time of a `with`, which ends with a permit or without."""
        waiter = Waiter(self)
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def wake(self) -> None:
        """Let the first waiter ask at once: a slot is being freed in this process."""
        for waiter in self._asking:
            if waiter.wake():
                return

    @property
    def is_long(self) -> bool:
        """Whether requests are queued behind those that ask."""
        return bool(self._queued)

    def may_ask(self, waiter: "Waiter") -> bool:
        """Return whether a waiter is among those that ask; it joins them if there is room."""
        if waiter not in self._asking and len(self._asking) >= _MOST_ASKING:
            return False
        self._asking[waiter] = None
        return True

    @contextlib.contextmanager
    def queued(self, waiter: "Waiter") -> Iterator[None]:
        """Queue a waiter for the time of a `with`, unless it is moved up meanwhile."""
        self._queued.append(waiter)
        try:
            yield
        finally:
            if waiter not in self._asking:
                self._queued.remove(waiter)

    def _leave(self, waiter: "Waiter") -> None:
        self._asking.pop(waiter, None)
        while self._queued and len(self._asking) < _MOST_ASKING:
            first = self._queued.popleft()
            self._asking[first] = None
            first.wake()


class Waiter:
    """One request that waits for a permit."""

    def __init__(self, queue: WaitQueue) -> None:
        self._queue = queue
        self._until: asyncio.Future[None] | None = None

    async def pause(self, seconds: float) -> None:
        """Wait until it is worth asking again: for some seconds, until a slot is freed, or until it is moved up."""
        loop = asyncio.get_running_loop()
        self._until = loop.create_future()
        if not self._queue.may_ask(self):
            with self._queue.queued(self):
                while not self._until.done():
                    await asyncio.wait([self._until], timeout=_ALIVE_S)
                    tell_alive()
            return
        timer = loop.call_later(seconds, self.wake)
        try:
            await self._until
        finally:
            timer.cancel()

    def wake(self) -> bool:
        """End a pause; return whether there was one."""
        if self._until is None or self._until.done():
            return False
        self._until.set_result(None)
        return True
