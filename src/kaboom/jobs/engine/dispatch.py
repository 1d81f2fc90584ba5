"""Send chunks to workers: a message is only a hint, and a lost message only costs time."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.redis.client import Redis, ServerLoad, check_server, read_load, redis_errors, try_key
from kaboom.errors import StoreError
from kaboom.jobs.engine.message import JobEvent, build_message, list_key
from kaboom.jobs.model import PLAN, Queue
from kaboom.jobs.redis.keys import PROBE
from kaboom.jobs.redis.store import ChunkRef, InMemory, OnServers
from kaboom.telemetry.traces import outgoing_headers

#: A chunk with a message among the next 64 gets no new one: no worker has that many slots, and 60 KB are quick to read.
_NEXT = 64


class Dispatcher(OnServers, Protocol):
    """Sends messages to workers about waiting chunks."""

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Send one message for each chunk, in order; `ahead` sends it to the front, unless it is near the front."""
        ...

    async def show(self, event: JobEvent) -> None:
        """Send an event about a job to monitors such as Flower; a lost event is not sent again."""
        ...

    async def depth(self, queue: str) -> int:
        """Return how many messages of a queue wait for a worker."""
        ...


@dataclass(frozen=True, slots=True)
class Broker:
    """A Redis that holds the messages of some queues, and the setting that names it."""

    redis: Redis
    setting: str
    database: int = 0


class CeleryDispatcher:
    """Pushes Celery messages to the lists of each queue's broker."""

    def __init__(self, brokers: Mapping[str, Broker]) -> None:
        """Take the broker of every queue; several queues may share one."""
        self._brokers = brokers
        # One batcher for each broker: an unavailable broker does not delay the messages of the others.
        self._pushes = {
            each: CallBatcher(partial(self._push_all, each.redis), server="Redis") for each in brokers.values()
        }

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        by_queue: dict[str, list[ChunkRef]] = defaultdict(list)
        for ref in refs:
            by_queue[ref.queue].append(ref)
        if ahead:
            for queue, group in by_queue.items():
                await self._send_ahead(task, queue, group)
            return
        origin = outgoing_headers()
        for queue, group in by_queue.items():
            await self._pushes[self._brokers[queue]].call((queue, [_message(task, ref, origin) for ref in group]))

    async def show(self, event: JobEvent) -> None:
        """Publish an event on the broker of the job's queue, where Celery's workers publish theirs."""
        broker = self._brokers[event.queue]
        with suppress(StoreError), redis_errors():
            await broker.redis.publish(event.channel(broker.database), event.message())

    async def depth(self, queue: str) -> int:
        with redis_errors():
            return int(await self._brokers[queue].redis.llen(list_key(queue)))

    async def check(self) -> None:
        unavailable: StoreError | None = None
        for broker in self._pushes:
            try:
                await check_server(broker.redis, broker.setting)
            except StoreError as e:
                unavailable = e
        if unavailable:
            raise unavailable

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        named: dict[Broker, str] = {}
        for queue, broker in self._brokers.items():
            named.setdefault(broker, f"broker-{queue}" if len(self._pushes) > 1 else "broker")
        return {name: await read_load(broker.redis) for broker, name in named.items()}

    async def try_write(self) -> None:
        await asyncio.gather(*(try_key(broker.redis, PROBE) for broker in self._pushes))

    async def close(self) -> None:
        for broker in self._pushes:
            await broker.redis.aclose()

    async def _send_ahead(self, task: str, queue: str, refs: Sequence[ChunkRef]) -> None:
        key, origin, broker = list_key(queue), outgoing_headers(), self._brokers[queue].redis
        with redis_errors():
            # Workers take messages from the right. They are not decoded: a queue may hold any bytes.
            found = await broker.execute_command("LRANGE", key, -_NEXT, -1, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
            next_ones = b"".join(found)
            missing = [ref for ref in refs if b'"%s"' % _task_id(ref).encode() not in next_ones]
            if missing:
                await broker.rpush(key, *(_message(task, ref, origin) for ref in reversed(missing)))

    @staticmethod
    async def _push_all(broker: Redis, pushes: Sequence[tuple[str, list[bytes]]]) -> Sequence[None]:
        by_queue: dict[str, list[bytes]] = defaultdict(list)
        for queue, messages in pushes:
            by_queue[queue] += messages
        with redis_errors():
            for queue, messages in by_queue.items():
                await broker.lpush(list_key(queue), *messages)
        return [None] * len(pushes)


class LocalDispatcher(InMemory):
    """Passes chunks to workers in this process, for DISABLE_CELERY."""

    def __init__(self) -> None:
        self._waiting: dict[ChunkRef, None] = {}
        self._is_sent = asyncio.Condition()

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        async with self._is_sent:
            fresh = dict.fromkeys(ref for ref in refs if ref not in self._waiting)
            if ahead:
                self._waiting = fresh | self._waiting
            else:
                self._waiting |= fresh
            self._is_sent.notify(len(fresh))

    async def take(self) -> ChunkRef:
        """Wait for a chunk and return it."""
        async with self._is_sent:
            await self._is_sent.wait_for(lambda: self._waiting)
            ref = next(iter(self._waiting))
            del self._waiting[ref]
            return ref

    async def show(self, event: JobEvent) -> None:
        """Do nothing: no monitor can listen."""

    async def depth(self, queue: str) -> int:
        return len(self._waiting)


def _task_id(ref: ChunkRef) -> str:
    """Return the Celery task id of a chunk, the same for each message; the bare job id is that of the job's result."""
    return f"{ref.job_id}-{ref.n}"


def _message(task: str, ref: ChunkRef, origin: Mapping[str, str]) -> bytes:
    task_id = _task_id(ref)
    if ref.n == PLAN:
        kwargs, shadow = {"job_id": ref.job_id}, f"{task}.{PLAN}"
        return build_message(task, kwargs, queue=ref.queue, task_id=task_id, shadow=shadow, origin=origin)
    kwargs, name = {"job_id": ref.job_id, "n": ref.n}, Queue(ref.queue).chunk_name
    return build_message(name, kwargs, queue=ref.queue, task_id=task_id, origin=origin)
