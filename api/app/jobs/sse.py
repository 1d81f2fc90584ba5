"""A job's events as server-sent events: resumable by id, and ended with the job."""

import asyncio
from collections.abc import AsyncIterator

import orjson
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.jobs.events import EventHub, JobEvent
from app.jobs.model import Job, JobStatus

#: A proxy cuts a connection that says nothing; browsers come back after as long as this.
_RETRY_MS = 2000
_FINAL = frozenset(status.value for status in JobStatus if status.is_final)


async def stream_events(hub: EventHub, job: Job, *, after: str) -> AsyncIterator[bytes]:
    """Yield a job's events after an id as SSE text, until its last one."""
    yield format_sse_event(retry=_RETRY_MS, comment="events of a job")
    async for event in hub.watch(job.queue, job.job_id, after=after):
        if event is None:
            yield KEEPALIVE_COMMENT
            continue
        yield _format(event)
        if is_last(event):
            return


async def tell_end(job: Job) -> AsyncIterator[bytes]:
    """Yield the state of a finished job whose events are no longer kept, as one event without an id."""
    yield _format(JobEvent("", "status", job.status.value))


async def wait_for_end(hub: EventHub, job: Job, *, timeout_s: float) -> bool:
    """Return true when a job ends, or false when the time is up."""
    try:
        async with asyncio.timeout(timeout_s):
            async for event in hub.watch(job.queue, job.job_id):
                if event and is_last(event):
                    return True
    except TimeoutError:
        pass
    return False


def is_last(event: JobEvent) -> bool:
    """Return whether no event follows."""
    return event.kind == "status" and event.data in _FINAL


def _format(event: JobEvent) -> bytes:
    return format_sse_event(event=event.kind, id=event.event_id or None, data_str=_data(event))


def _data(event: JobEvent) -> str:
    if event.kind != "progress":
        return orjson.dumps({event.kind: event.data}).decode()
    done, failed, total = (int(part) for part in event.data.split("/"))
    return orjson.dumps({"done": done, "failed": failed, "total": total}).decode()
