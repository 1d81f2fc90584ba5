"""The feeds of jobs in Redis streams: events, which the job scripts write, and log lines."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kaboom.drivers.redis.client import Redis, redis_errors, register_script
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.events import Feed, FeedKey, JobEvent

_STREAMS: Mapping[Feed, Callable[[str, str], str]] = {
    Feed.EVENTS: keys.events,
    Feed.LINES: keys.logs,
    Feed.CHANGES: lambda _queue, _job_id: keys.CHANGES,
}


class RedisEventLog:
    """`EventLog` on Redis or Valkey."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add_lines = register_script(redis, "kaboom.jobs.redis", "log")

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        with redis_errors():
            found = await self._redis.xrange(_STREAMS[feed](queue, job_id), min=f"({after}")
        return _parse(found or [])

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        names = {_STREAMS[key.feed](key.queue, key.job_id): key for key in after}
        with redis_errors():
            found: Any = await self._redis.xread({name: after[key] for name, key in names.items()}, block=timeout_ms)
        return {names[name]: _parse(entries) for name, entries in found or []}

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        name = _STREAMS[key.feed](key.queue, key.job_id)
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(name, count=1)
                pipe.xrevrange(name, count=1)
                oldest, newest = await pipe.execute()
        return (oldest[0][0], newest[0][0]) if oldest and newest else None

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, texts in lines.items():
                    await self._add_lines(keys=keys.of_job(key.queue, key.job_id), args=list(texts), client=pipe)
                await pipe.execute()


def _parse(entries: Sequence[Any]) -> list[JobEvent]:
    return [JobEvent(event_id, fields["t"], fields["d"]) for event_id, fields in entries]
