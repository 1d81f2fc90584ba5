"""Calls that wait at the same time, made as one: a round trip and a commit are shared by whoever asks meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from batch.errors import StoreError

#: One turn reads a socket, the next parses what was read and the third comes here; each costs a lone caller 10 µs.
_TURNS = 3


class Group[T, R]:
    """Makes of single calls one call for all that wait; while it is under way, the next ones gather.

    A lone caller waits no longer than without it. A failure of the whole is that of everyone in it.
    """

    def __init__(
        self,
        run: Callable[[Sequence[T]], Awaitable[Sequence[R | Exception]]],
        *,
        most: int = 64,
        patience_s: float = 5.0,
    ) -> None:
        """Call `run` with up to `most` items for answers or errors in their order; cut it off after `patience_s`."""
        self._run = run
        self._most = most
        self._patience_s = patience_s
        self._waiting: list[tuple[T, asyncio.Future[R]]] = []
        self._worker: asyncio.Task[None] | None = None

    @property
    def is_idle(self) -> bool:
        """Whether nobody waits for an answer."""
        return self._worker is None

    async def call(self, item: T) -> R:
        """Return the answer to one item.

        Raises:
            StoreError: the call for all was not answered in time; or whatever `run` raises.

        """
        answer: asyncio.Future[R] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, answer))
        if self._worker is None:
            # It begins after whoever else wakes in this turn of the loop has asked, too.
            self._worker = asyncio.create_task(self._work(), name="group")
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                await _gather()
                group, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._answer([(item, answer) for item, answer in group if not answer.done()])
        finally:
            self._worker = None
            for _, answer in self._waiting:
                answer.cancel()
            self._waiting = []

    async def _answer(self, group: list[tuple[T, asyncio.Future[R]]]) -> None:
        if not group:
            return
        try:
            async with asyncio.timeout(self._patience_s):
                found = await self._run([item for item, _ in group])
        except TimeoutError:
            error = StoreError(f"no answer came within {self._patience_s:g} s")
            _settle(group, [error] * len(group))
        except Exception as error:  # noqa: BLE001  it is the callers', who wait for it
            _settle(group, [error] * len(group))
        except asyncio.CancelledError:
            for _, answer in group:
                answer.cancel()
            raise
        else:
            _settle(group, found)


async def _gather() -> None:
    """Let the loop turn: who has asked over a socket already joins, and a group is half as large again."""
    for _ in range(_TURNS):
        await asyncio.sleep(0)


def _settle[T, R](group: list[tuple[T, "asyncio.Future[R]"]], found: Sequence[R | Exception]) -> None:
    for (_, answer), value in zip(group, found, strict=True):
        if answer.done():
            continue
        if isinstance(value, Exception):
            answer.set_exception(value)
        else:
            answer.set_result(value)
