"""The current pauses of providers, for display, and the Redis keys of the limiter."""

from collections.abc import Sequence
from dataclasses import dataclass

from kaboom.drivers.redis.client import Redis, redis_errors


@dataclass(frozen=True, slots=True)
class ProviderPause:
    """A provider that gets no requests for some more seconds, and why."""

    provider: str
    seconds: float
    reason: str


async def read_pauses(redis: Redis, providers: Sequence[str]) -> list[ProviderPause]:
    """Return the providers that are paused now, by the clock of Redis.

    Raises:
        StoreError: Redis is unavailable.

    """
    with redis_errors():
        async with redis.pipeline(transaction=False) as pipe:
            pipe.time()
            for provider in providers:
                pipe.hmget(state(provider), ["paused_until", "message"])
            (seconds, micros), *found = await pipe.execute()
    now_s = seconds + micros / 1e6
    pauses = [
        ProviderPause(provider, int(until or 0) / 1000 - now_s, message or "")
        for provider, (until, message) in zip(providers, found, strict=True)
    ]
    return [pause for pause in pauses if pause.seconds > 0]


def state(provider: str) -> str:
    """Return the key of a provider's pauses and failures, a hash."""
    return f"kaboom:provider:{provider}"


def of_provider(provider: str) -> list[str]:
    """Return the keys that every script takes, in the order of `lua/prelude.lua`, which says what each holds."""
    return [state(provider), *(f"{state(provider)}:{name}" for name in ("held", "recent", "waiting"))]
