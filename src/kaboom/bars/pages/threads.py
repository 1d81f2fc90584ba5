"""The threads that call SQLite, so that the event loop never waits for a disk."""

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from kaboom.errors import StoreError

_READERS = 2


class PageThreads:
    """One writer thread and two reader threads, started on first use, and again in a forked child."""

    def __init__(self) -> None:
        self._pools: tuple[int, ThreadPoolExecutor, ThreadPoolExecutor] | None = None
        self._closed = False

    async def write[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in the writer thread, so that two writers of one process never wait for each other's lock."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(1), partial(work, *args, **kwargs))

    async def read[**P, T](self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run work in a reader thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool(2), partial(work, *args, **kwargs))

    async def close(self) -> None:
        """Wait for the running work, then stop the threads of this process."""
        self._closed = True
        pools, self._pools = self._pools, None
        if pools is not None and pools[0] == os.getpid():
            for pool in pools[1:]:
                await asyncio.to_thread(pool.shutdown)

    def _pool(self, which: int) -> ThreadPoolExecutor:
        if self._closed:
            raise StoreError("the bar store is closed", retryable=False)
        if self._pools is None or self._pools[0] != os.getpid():
            writer = ThreadPoolExecutor(1, thread_name_prefix="bars-write")
            readers = ThreadPoolExecutor(_READERS, thread_name_prefix="bars-read")
            self._pools = (os.getpid(), writer, readers)
        return self._pools[1] if which == 1 else self._pools[2]
