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
        self._behind: deque[Waiter] = deque()

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

    @contextlib.contextmanager
    def behind(self, waiter: "Waiter") -> Iterator[None]:
        """Let a waiter stand behind those who ask for the time of a `with`, unless it is called forward."""
        self._behind.append(waiter)
        try:
            yield
        finally:
            if waiter not in self._front:
                self._behind.remove(waiter)

    def _leave(self, waiter: "Waiter") -> None:
        self._front.pop(waiter, None)
        while self._behind and len(self._front) < _ASKING:
            first = self._behind.popleft()
            self._front[first] = None
            first.wake()


class Waiter:
    """One who waits for a turn."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._until: asyncio.Future[None] | None = None

    async def pause(self, seconds: float) -> None:
        """Wait until it is worth asking again: so long, until a place is freed, or until one comes forward."""
        loop = asyncio.get_running_loop()
        self._until = loop.create_future()
        if not self._line.may_ask(self):
            with self._line.behind(self), _signs_of_life():
                await self._until
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


@contextlib.contextmanager
def _signs_of_life() -> Iterator[None]:
    """Give signs of life for the time of a `with`, in the context of whoever waits."""
    loop = asyncio.get_running_loop()
    timer: asyncio.TimerHandle

    def give() -> None:
        nonlocal timer
        tell_alive()
        timer = loop.call_later(_ALIVE_S, give)

    timer = loop.call_later(_ALIVE_S, give)
    try:
        yield
    finally:
        timer.cancel()
