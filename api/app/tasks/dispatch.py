"""Sending chunks to workers: a message is only a hint, so losing one costs time and nothing else."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol

from app.jobs.model import PLAN
from app.jobs.store import ChunkRef
from app.tasks.catalog import CATALOG
from app.tasks.message import build_message, list_key
from app.telemetry.origin import outgoing_headers
from batch.kit.group import Group
from batch.kit.redis import Redis, redis_errors
from batch.kit.redis_load import ServerLoad, read_load

#: So near its turn no message is sent again: more than any worker has slots, and 60 KB to look through.
_NEXT = 64


class Dispatcher(Protocol):
    """Tells workers that chunks wait."""

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Send one message for each chunk, in order; `ahead` of those that wait, unless it is among the next anyway."""
        ...

    async def depth(self, queue: str) -> int:
        """Return how many messages of a queue no worker has taken yet."""
        ...

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return the load of each broker, by a name for it; none where there is no broker."""
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class CeleryDispatcher:
    """Pushes Celery messages to the broker's lists."""

    def __init__(self, broker: Redis) -> None:
        self._broker = broker
        self._pushes = Group(self._push_all)

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Send one message for each chunk, in order, in one round trip for each queue."""
        by_queue: dict[str, list[ChunkRef]] = defaultdict(list)
        for ref in refs:
            by_queue[ref.queue].append(ref)
        if ahead:
            for queue, group in by_queue.items():
                await self._send_ahead(task, queue, group)
            return
        origin = outgoing_headers()
        await self._pushes.call({q: [_message(task, ref, origin) for ref in group] for q, group in by_queue.items()})

    async def depth(self, queue: str) -> int:
        """Return how many messages of a queue no worker has taken yet."""
        with redis_errors():
            return int(await self._broker.llen(list_key(queue)))

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return the load of the broker."""
        return {"broker": await read_load(self._broker)}

    async def close(self) -> None:
        """Release connections."""
        await self._broker.aclose()

    async def _send_ahead(self, task: str, queue: str, refs: Sequence[ChunkRef]) -> None:
        key, origin = list_key(queue), outgoing_headers()
        with redis_errors():
            # Workers take from the right. Not decoded: anything may be in a queue.
            found = await self._broker.execute_command("LRANGE", key, -_NEXT, -1, NEVER_DECODE=True)  # type: ignore[no-untyped-call]
            next_ones = b"".join(found)
            missing = [ref for ref in refs if b'"%s"' % _task_id(ref).encode() not in next_ones]
            if missing:
                await self._broker.rpush(key, *(_message(task, ref, origin) for ref in reversed(missing)))

    async def _push_all(self, pushes: Sequence[Mapping[str, list[bytes]]]) -> Sequence[None]:
        with redis_errors():
            for queue in {queue: None for by_queue in pushes for queue in by_queue}:
                messages = [message for by_queue in pushes for message in by_queue.get(queue, [])]
                await self._broker.lpush(list_key(queue), *messages)
        return [None] * len(pushes)


class LocalDispatcher:
    """Hands chunks to workers in this very process: DISABLE_CELERY."""

    def __init__(self) -> None:
        self._waiting: dict[ChunkRef, None] = {}
        self._is_sent = asyncio.Condition()

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Queue the chunks that do not wait yet, in order; no message gets lost in a process."""
        async with self._is_sent:
            fresh = dict.fromkeys(ref for ref in refs if ref not in self._waiting)
            if ahead:
                self._waiting = fresh | self._waiting
            else:
                self._waiting |= fresh
            self._is_sent.notify(len(fresh))

    async def take(self) -> ChunkRef:
        """Wait for a chunk, and take it."""
        async with self._is_sent:
            await self._is_sent.wait_for(lambda: self._waiting)
            ref = next(iter(self._waiting))
            del self._waiting[ref]
            return ref

    def take_all(self) -> list[ChunkRef]:
        """Take all that wait."""
        refs, self._waiting = list(self._waiting), {}
        return refs

    async def depth(self, queue: str) -> int:
        """Return how many chunks wait."""
        return len(self._waiting)

    async def measure_servers(self) -> Mapping[str, ServerLoad]:
        """Return nothing: there is no broker."""
        return {}

    async def close(self) -> None:
        """Do nothing."""


def _task_id(ref: ChunkRef) -> str:
    """Return the same id each time: a chunk sent again is the same chunk."""
    return ref.job_id if ref.n == PLAN else f"{ref.job_id}-{ref.n}"


def _message(task: str, ref: ChunkRef, origin: Mapping[str, str]) -> bytes:
    task_id = _task_id(ref)
    if ref.n == PLAN:
        return build_message(task, {"job_id": ref.job_id}, queue=ref.queue, task_id=task_id, origin=origin)
    kwargs, name = {"job_id": ref.job_id, "n": ref.n}, _CHUNK_NAMES[task]
    return build_message(name, kwargs, queue=ref.queue, task_id=task_id, ignore_result=True, origin=origin)


_CHUNK_NAMES = {spec.name: spec.chunk_name for spec in CATALOG}
