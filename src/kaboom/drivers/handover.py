"""Handing parts to a thread that writes them, while a coroutine reads the next ones."""

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing

from kaboom.drivers.stop import Stopped

#: The most parts that are read ahead of the writer.
_AHEAD = 2


async def hand_over[T, R](parts: AsyncGenerator[T], write: Callable[[Iterator[T]], R]) -> R:
    """Run `write` in a thread while this coroutine reads the parts, and return its result.

    If reading fails or the caller is cancelled, the iterator raises `Stopped` in the thread, and the function waits for
    the thread to end. If `write` ends early, no more parts are read.
    """
    handover = _Handover[T]()
    writing = asyncio.create_task(asyncio.to_thread(write, handover.take_all()))
    writing.add_done_callback(lambda _: handover.room.release())
    try:
        async with aclosing(parts):
            async for part in parts:
                await handover.room.acquire()
                if writing.done():
                    break
                handover.ready.put(part)
        handover.ready.put(None)
        return await asyncio.shield(writing)
    except BaseException:
        handover.ready.put(Stopped())
        await asyncio.wait([writing])
        # Retrieve the exception, or asyncio would log it as never retrieved.
        writing.cancelled() or writing.exception()
        raise


class _Handover[T]:
    def __init__(self) -> None:
        self.ready: queue.SimpleQueue[T | Stopped | None] = queue.SimpleQueue()
        self.room = asyncio.Semaphore(_AHEAD)
        self._loop = asyncio.get_running_loop()

    def take_all(self) -> Iterator[T]:
        """Yield the parts in the writing thread, as they come."""
        while (part := self.ready.get()) is not None:
            if isinstance(part, Stopped):
                raise part
            self._loop.call_soon_threadsafe(self.room.release)
            yield part
