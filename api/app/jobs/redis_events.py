"""The events of jobs in Redis streams, which the job scripts write."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.jobs import keys
from app.jobs.events import JobEvent, JobKey
from batch.kit.redis import Redis, redis_errors


class RedisEventLog:
    """`EventLog` on Redis or Valkey."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self, queue: str, job_id: str, *, after: str) -> list[JobEvent]:
        """Return the events after an id, oldest first."""
        with redis_errors():
            found = await self._redis.xrange(keys.events(queue, job_id), min=f"({after}")
        return _parse(found or [])

    async def wait(self, after: Mapping[JobKey, str], *, timeout_ms: int) -> dict[JobKey, list[JobEvent]]:
        """Return new events of several (queue, job id), each after its id; {} where none came in time."""
        names = {keys.events(*key): key for key in after}
        with redis_errors():
            found: Any = await self._redis.xread({name: after[key] for name, key in names.items()}, block=timeout_ms)
        return {names[name]: _parse(entries) for name, entries in found or []}


def _parse(entries: Sequence[Any]) -> list[JobEvent]:
    return [JobEvent(event_id, fields["t"], fields["d"]) for event_id, fields in entries]
