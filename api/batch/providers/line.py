"""The line before a gate in one process: a few ask for a turn again and again, the others stand behind them."""

import asyncio
import contextlib
from collections import deque
from collections.abc import Iterator

from batch.providers.watch import tell_alive

#: Enough to notice within some 10 ms a place that another process has freed; each costs ten questions a second.
_ASKING = 4
#: How often one that stands behind gives a sign of life.
_ALIVE_S = 5.0


class Line:
    """Those of this process who were told to wait for a turn, in their order."""

    def __init__(self) -> None:
        self._front: dict[Waiter, None] = {}
        self._behind: deque[tuple[Waiter, asyncio.Future[None]]] = deque()

    @contextlib.contextmanager
    def join(self) -> Iterator["Waiter"]:
        """Wait in the line for the time of a `with`, which ends with a turn or without."""
        waiter = Waiter(self)
        try:
            yield waiter
        finally:
            self._leave(waiter)

    def wake(self) -> None:
        """Let the first who pauses ask at once: a place is being freed here."""
        for waiter in self._front:
            if waiter.wake():
                return

    @property
    def is_long(self) -> bool:
        """Whether somebody stands behind those who ask."""
        return bool(self._behind)

    def may_ask(self, waiter: "Waiter") -> bool:
        """Whether a waiter is among those who ask, as it is from now on where there is a place."""
        if waiter not in self._front and len(self._front) >= _ASKING:
            return False
        self._front[waiter] = None
        return True

    async def stand_behind(self, waiter: "Waiter") -> None:
        """Wait for a place among those who ask."""
        called: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        place = (waiter, called)
        self._behind.append(place)
        try:
            while not called.done():
                await asyncio.wait([called], timeout=_ALIVE_S)
                tell_alive()
        finally:
            if not called.done():
                self._behind.remove(place)

    def _leave(self, waiter: "Waiter") -> None:
        self._front.pop(waiter, None)
        while self._behind and len(self._front) < _ASKING:
            first, called = self._behind.popleft()
            self._front[first] = None
            called.set_result(None)


class Waiter:
    """One who waits for a turn."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._woken: asyncio.Event | None = None

    async def stand_behind(self) -> None:
        """Wait for a place among those who ask."""
        await self._line.stand_behind(self)

    async def pause(self, seconds: float) -> None:
        """Wait until it is worth asking again: so long, until a place is freed, or until one comes forward."""
        if not self._line.may_ask(self):
            await self._line.stand_behind(self)
            return
        self._woken = asyncio.Event()
        try:
            async with asyncio.timeout(seconds):
                await self._woken.wait()
        except TimeoutError:
            pass
        finally:
            self._woken = None

    def wake(self) -> bool:
        """End a pause; return whether there was one."""
        if self._woken is None or self._woken.is_set():
            return False
        self._woken.set()
        return True
