"""The turns of a provider in Redis, shared by all processes: each step is one Lua script, timed by the server."""

import asyncio
import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any
from uuid import uuid4

from batch.kit.group import Group
from batch.kit.redis import AsyncScript, Redis, ScriptCall, redis_errors, register_script, run_together
from batch.providers.limiter import Limits, Reason, Turn, Verdict, Wait
from batch.providers.limiter_keys import of_provider
from batch.providers.limiter_rules import LONGEST_NAMED_S, POLL_S

_SCRIPTS = ("ask", "keep", "settle")


class RedisLimiter:
    """`Limiter` on one Redis or Valkey.

    `connect` is called by the first question, on the event loop that asks: so one that was made before a fork, or
    for a loop that has ended, works. Whoever wants or ends a turn at the same time shares a round trip, in their order:
    alone, the two trips of each request were a third of a worker's CPU at 64 requests at once.
    """

    def __init__(self, provider: str, limits: Limits, connect: Callable[[], Redis]) -> None:
        self._keys = of_provider(provider)
        self._lease_ms, window_ms = _ms(limits.lease_s), _ms(limits.window_s)
        self._asking = (self._lease_ms, limits.requests or 0, window_ms, limits.concurrency or 0, _ms(POLL_S))
        self._settling = (window_ms, limits.failures, _ms(limits.first_pause_s), _ms(limits.longest_pause_s))
        self._numbers = itertools.count()
        self._connect = connect
        self._redis: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scripts: dict[str, AsyncScript] = {}
        self._calls: Group[ScriptCall, Any] | None = None
        self._me = ""

    async def ask(self) -> Turn | Wait:
        """Return a turn, or why and how long to wait."""
        self._open()
        word, found, message = await self._run("ask", self._me, f"{next(self._numbers):x}", *self._asking)
        return Turn(found) if word == "ok" else Wait(Reason(word), int(found) / 1000, message)

    async def keep(self, turn: Turn) -> None:
        """Say that a request is still under way."""
        await self._run("keep", turn.turn_id, self._lease_ms)

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        """End a turn; return the seconds of the pause that this began, 0 where it did not."""
        named_ms = -1 if pause_s is None else _ms(min(pause_s, LONGEST_NAMED_S))
        told = (turn.turn_id, verdict.value, named_ms, message)
        return int(await self._run("settle", *told, *self._settling)) / 1000

    async def close(self) -> None:
        """Release connections."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def _run(self, script: str, *arguments: str | int) -> Any:
        calls = self._open()
        return await calls.call((self._scripts[script], self._keys, arguments))

    def _open(self) -> Group[ScriptCall, Any]:
        loop = asyncio.get_running_loop()
        if self._calls is None or self._redis is None or self._loop is not loop:
            redis = self._redis = self._connect()
            self._loop = loop
            self._me = uuid4().hex[:12]
            self._scripts = {name: register_script(redis, "batch.providers", name) for name in _SCRIPTS}
            self._calls = Group(partial(self._run_all, redis))
        return self._calls

    async def _run_all(self, redis: Redis, calls: Sequence[ScriptCall]) -> list[Any]:
        with redis_errors():
            return await run_together(redis, calls)


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
