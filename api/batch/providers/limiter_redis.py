"""The turns of a provider in Redis, shared by all processes: each step is one Lua script, timed by the server."""

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from batch.kit.redis import AsyncScript, Redis, redis_errors, register_script
from batch.providers.limiter import Limits, Reason, Turn, Verdict, Wait
from batch.providers.limiter_keys import of_provider
from batch.providers.limiter_rules import LONGEST_NAMED_S, POLL_S

_SCRIPTS = ("ask", "keep", "settle")


class RedisLimiter:
    """`Limiter` on one Redis or Valkey.

    `connect` is called by the first question, on the event loop that asks: so one that was made before a fork, or
    for a loop that has ended, works.
    """

    def __init__(self, provider: str, limits: Limits, connect: Callable[[], Redis]) -> None:
        self._keys = of_provider(provider)
        self._limits = limits
        self._connect = connect
        self._redis: Redis | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scripts: dict[str, AsyncScript] = {}

    async def ask(self) -> Turn | Wait:
        """Return a turn, or why and how long to wait."""
        limits = self._limits
        rate = (limits.requests or 0, _ms(limits.window_s), limits.concurrency or 0, _ms(POLL_S))
        word, found, message = await self._run("ask", uuid4().hex[:12], _ms(limits.lease_s), *rate)
        return Turn(found) if word == "ok" else Wait(Reason(word), int(found) / 1000, message)

    async def keep(self, turn: Turn) -> None:
        """Say that a request is still under way."""
        await self._run("keep", turn.turn_id, _ms(self._limits.lease_s))

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        """End a turn; return the seconds of the pause that this began, 0 where it did not."""
        limits = self._limits
        named_ms = -1 if pause_s is None else _ms(min(pause_s, LONGEST_NAMED_S))
        pauses = (limits.failures, _ms(limits.first_pause_s), _ms(limits.longest_pause_s))
        arguments = (turn.turn_id, verdict.value, named_ms, message, _ms(limits.window_s), *pauses)
        return int(await self._run("settle", *arguments)) / 1000

    async def close(self) -> None:
        """Release connections."""
        redis, self._redis = self._redis, None
        if redis is not None:
            await redis.aclose()

    async def _run(self, script: str, *arguments: str | int) -> Any:
        self._open()
        with redis_errors():
            return await self._scripts[script](keys=self._keys, args=list(arguments))

    def _open(self) -> None:
        loop = asyncio.get_running_loop()
        if self._redis is None or self._loop is not loop:
            self._redis, self._loop = self._connect(), loop
            self._scripts = {name: register_script(self._redis, "batch.providers", name) for name in _SCRIPTS}


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
