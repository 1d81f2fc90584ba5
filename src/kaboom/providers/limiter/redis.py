"""The permits of a provider in Redis, shared by all processes: each trip is one Lua script, timed by the server."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from uuid import uuid4

from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.open_sessions import note_closed, note_open
from kaboom.drivers.redis.client import AsyncScript, Redis, redis_errors, register_script, run_together
from kaboom.providers.limiter.pauses import of_provider
from kaboom.providers.limiter.port import LONGEST_NAMED_S, POLL_S, Limits, Permit, Reason, Result, Wait

#: A call as the script takes it: its name and up to four arguments, padded with empty texts to a fixed length.
type _Call = tuple[str | int, ...]
_CALL_LENGTH = 5


class RedisPermitStore:
    """`PermitStore` on one Redis or Valkey.

    `connect` is called on first use, on the event loop of the caller, so a store made before a fork works. Concurrent
    calls share one round trip, in their order.
    """

    def __init__(self, provider: str, limits: Limits, connect: Callable[[], Redis]) -> None:
        self._keys = of_provider(provider)
        window_ms = _ms(limits.window_s)
        self._limits = (
            *(_ms(limits.lease_s), limits.requests or 0, window_ms, limits.concurrency or 0, _ms(POLL_S)),
            *(limits.failures, _ms(limits.first_pause_s), _ms(limits.longest_pause_s)),
        )
        self._numbers = itertools.count()
        self._connect = connect
        self._clients: tuple[Redis, ...] = ()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._calls: CallBatcher[_Call, list[str]] | None = None

    async def acquire(self) -> Permit | Wait:
        word, found, message = await self._call("acquire", f"{next(self._numbers):x}")
        return Permit(found) if word == "ok" else Wait(Reason(word), int(found) / 1000, message)

    async def renew(self, permit: Permit) -> None:
        await self._call("renew", permit.permit_id)

    async def release(
        self, permit: Permit, result: Result, *, pause_s: float | None = None, message: str = ""
    ) -> float:
        named_ms = -1 if pause_s is None else _ms(min(pause_s, LONGEST_NAMED_S))
        _, pause_ms, _ = await self._call("release", permit.permit_id, result.value, named_ms, message)
        return int(pause_ms) / 1000

    async def close(self) -> None:
        clients, self._clients, self._calls = self._clients, (), None
        note_closed(self)
        for redis in clients:
            await redis.aclose()

    async def _call(self, name: str, *arguments: str | int) -> list[str]:
        """Run one call of the script in a round trip that concurrent calls share; connect first if needed."""
        loop = asyncio.get_running_loop()
        if self._calls is None or self._loop is not loop:
            # One connection is held: to check one out of the pool and back in takes a fifth of a round trip.
            pool = self._connect()
            redis = pool.client()
            self._clients = (redis, pool)
            note_open(self)
            self._loop = loop
            script, process = register_script(redis, "kaboom.providers.limiter", "permits"), uuid4().hex[:12]
            self._calls = CallBatcher(partial(self._run, redis, script, process))
        call: _Call = (name, *arguments)
        return await self._calls.call(call + ("",) * (_CALL_LENGTH - len(call)))

    async def _run(self, redis: Redis, script: AsyncScript, process: str, calls: Sequence[_Call]) -> list[list[str]]:
        """Run the script once for some calls; `process` is the id by which it shares the permits among processes."""
        arguments = (process, *self._limits, *itertools.chain(*calls))
        with redis_errors():
            (answers,) = await run_together(redis, [(script, self._keys, arguments)])
        return list(answers)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
