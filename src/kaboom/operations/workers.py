"""The workers, and the chunks that they run now."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

from pydantic import AwareDatetime, BaseModel, Field

from kaboom.jobs.model import Queue
from kaboom.jobs.redis.store import JobStore
from kaboom.jobs.redis.workers import RunningChunk, Worker, WorkerFacts
from kaboom.jobs.runs import split_slot


class WorkerChunk(BaseModel):
    """A chunk that a worker runs; without the job's id if the job belongs to another owner."""

    queue: str = Field(examples=["ingest"])
    job_id: str | None = Field(description="null of another owner's job", examples=["dc84d88371794773b929d2957f6a663b"])
    chunk: str | None = Field(description="its number, or `plan`; null of another owner's job", examples=["15"])
    slot: int | None = Field(examples=[2])
    since: AwareDatetime | None = Field(examples=["2025-11-04T07:00:32.818000Z"])


class WorkerView(BaseModel):
    """A worker as it last reported; values that it has not reported are null."""

    name: str = Field(examples=["worker-main@host:812-3fa9"])
    state: Literal["online", "lost"] = Field(
        description="lost: no report for 20 s, and it was not asked to stop", examples=["online"]
    )
    host: str | None = Field(examples=["host"])
    queues: list[str] = Field(examples=[["ingest", "market_data"]])
    slots: int = Field(examples=[4])
    busy: int = Field(description="slots that run a chunk", examples=[1])
    chunks: list[WorkerChunk]
    memory_bytes: int | None = Field(description="resident memory of all its processes", examples=[412000256])
    started_at: AwareDatetime | None = Field(examples=["2025-11-04T05:58:00Z"])
    seen_at: AwareDatetime = Field(examples=["2025-11-04T07:00:34Z"])
    release: str | None = Field(description="KABOOM_RELEASE")


class WorkerList(BaseModel):
    """The workers that have reported in the last 15 minutes, by name."""

    items: list[WorkerView]


async def list_workers(store: JobStore, queues: Iterable[Queue], owner: str) -> WorkerList:
    """Return the workers, with the chunks that they run; chunks of other owners have no job id.

    Raises:
        StoreError: Redis is unavailable.

    """
    online, lost = await asyncio.gather(store.workers(), store.list_lost())
    facts = await store.load_facts([worker.name for worker in (*online, *lost)])
    running = await asyncio.gather(*(store.load_running(queue) for queue in queues))
    chunks: dict[str, list[RunningChunk]] = defaultdict(list)
    for chunk in (each for of_queue in running for each in of_queue):
        chunks[split_slot(chunk.worker)[0]].append(chunk)
    states: Sequence[tuple[Worker, Literal["online", "lost"]]] = [
        *((worker, "online") for worker in online),
        *((worker, "lost") for worker in lost),
    ]
    views = [_view(worker, state, facts, _view_chunks(chunks[worker.name], owner)) for worker, state in states]
    return WorkerList(items=sorted(views, key=lambda view: view.name))


def _view(
    worker: Worker, state: Literal["online", "lost"], facts: Mapping[str, WorkerFacts], chunks: list[WorkerChunk]
) -> WorkerView:
    about = facts.get(worker.name)
    return WorkerView(
        name=worker.name,
        state=state,
        host=about.host if about else None,
        queues=sorted(about.queues) if about else [],
        slots=worker.slots,
        busy=len(chunks),
        chunks=chunks,
        memory_bytes=about.memory_bytes if about else None,
        started_at=about.started_at if about else None,
        seen_at=worker.seen_at,
        release=worker.release,
    )


def _view_chunks(chunks: Sequence[RunningChunk], owner: str) -> list[WorkerChunk]:
    views = [
        WorkerChunk(
            queue=chunk.queue,
            job_id=chunk.job_id if chunk.owner == owner else None,
            chunk=chunk.n if chunk.owner == owner else None,
            slot=split_slot(chunk.worker)[1],
            since=chunk.since,
        )
        for chunk in chunks
    ]
    return sorted(views, key=lambda view: (view.slot or 0, view.chunk or ""))
