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


class Dispatcher(Protocol):
    """Tells workers that chunks wait."""

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Send one message for each chunk, in order; `ahead` of those that wait, where the broker can."""
        ...

    async def depth(self, queue: str) -> int:
        """Return how many messages of a queue no worker has taken yet."""
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
        by_queue: dict[str, list[bytes]] = defaultdict(list)
        origin = outgoing_headers()
        for ref in refs:
            by_queue[ref.queue].append(_message(task, ref, origin))
        if not ahead:
            await self._pushes.call(by_queue)
            return
        with redis_errors():
            for queue, messages in by_queue.items():
                # Workers take from the right.
                await self._broker.rpush(list_key(queue), *reversed(messages))

    async def depth(self, queue: str) -> int:
        """Return how many messages of a queue no worker has taken yet."""
        with redis_errors():
            return int(await self._broker.llen(list_key(queue)))

    async def close(self) -> None:
        """Release connections."""
        await self._broker.aclose()

    async def _push_all(self, pushes: Sequence[Mapping[str, list[bytes]]]) -> Sequence[None]:
        with redis_errors():
            for queue in {queue: None for by_queue in pushes for queue in by_queue}:
                messages = [message for by_queue in pushes for message in by_queue.get(queue, [])]
                await self._broker.lpush(list_key(queue), *messages)
        return [None] * len(pushes)


class LocalDispatcher:
    """Hands chunks to workers in this very process: DISABLE_CELERY."""

    def __init__(self) -> None:
        self.waiting: asyncio.Queue[ChunkRef] = asyncio.Queue()

    async def send(self, task: str, refs: Sequence[ChunkRef], *, ahead: bool = False) -> None:
        """Queue the chunks, in order, behind those that wait."""
        for ref in refs:
            self.waiting.put_nowait(ref)

    async def depth(self, queue: str) -> int:
        """Return how many chunks wait."""
        return self.waiting.qsize()

    async def close(self) -> None:
        """Do nothing."""


def _message(task: str, ref: ChunkRef, origin: Mapping[str, str]) -> bytes:
    if ref.n == PLAN:
        return build_message(task, {"job_id": ref.job_id}, queue=ref.queue, task_id=ref.job_id, origin=origin)
    # The same id each time: a chunk sent again is the same chunk.
    kwargs, task_id = {"job_id": ref.job_id, "n": ref.n}, f"{ref.job_id}-{ref.n}"
    name = _CHUNK_NAMES[task]
    return build_message(name, kwargs, queue=ref.queue, task_id=task_id, ignore_result=True, origin=origin)


_CHUNK_NAMES = {spec.name: spec.chunk_name for spec in CATALOG}
