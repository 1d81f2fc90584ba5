"""Batching concurrent calls: callers that wait at the same time share a round trip and a commit, or an answer."""

import asyncio
from collections.abc import Awaitable, Callable, Hashable, Sequence

from kaboom.errors import StoreError

#: Turns of the event loop that a batch waits for more callers: 30 µs for a lone caller, and half as many batches.
_TURNS = 3


class CallBatcher[T, R]:
    """Combines the calls that wait into one; while it runs, the next batch gathers.

    A lone caller waits no longer than without batching. If the combined call fails, all its callers fail.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        max_size: int = 64,
        timeout_s: float = 5.0,
        server: str = "",
    ) -> None:
        """Call `run` with up to `max_size` items; it returns answers or errors in their order within `timeout_s`.

        The error of a call that took too long names the `server` that is asked.
        """
        self._run = run
        self._max_size = max_size
        late = f"no answer came within {timeout_s:g} s"
        self._timeout_s, self._late = timeout_s, f"{server} did not answer: {late}" if server else late
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._worker: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether no call is waiting or running."""
        return self._worker is None

    async def call(self, item: T) -> R:
        """Return the answer to one item.

        Raises:
            StoreError: the combined call took too long; or any exception of `run`.

        """
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._worker is None:
            self._worker = asyncio.create_task(self._work(), name="batch")
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                for _ in range(_TURNS):
                    await asyncio.sleep(0)
                batch, self._waiting = self._waiting[: self._max_size], self._waiting[self._max_size :]
                await self._answer([(item, answer) for item, answer in batch if not answer.done()])
        finally:
            self._worker = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting = []

    async def _answer(self, batch: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not batch:
            return
        found: Sequence[R | Exception]
        try:
            async with asyncio.timeout(self._timeout_s):
                found = await self._run([item for item, _ in batch])
        except TimeoutError:
            found = [StoreError(self._late)] * len(batch)
        except Exception as error:  # noqa: BLE001  the callers get it
            found = [error] * len(batch)
        except asyncio.CancelledError:
            for _, answer in batch:
                answer.cancel()
            raise
        for (_, answer), value in zip(batch, found, strict=True):
            if answer.done():
                continue
            if isinstance(value, Exception):
                answer.set_exception(value)
            else:
                answer.set_result(value)


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


async def _find_once[T](finders: Sequence[Callable[[], Awaitable[T]]]) -> list[T]:
    return [await finders[0]()] * len(finders)
