"""A job's events as server-sent events; a stream can be resumed by event id, and ends with the job."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from functools import lru_cache
from typing import Annotated, Any

import orjson
import structlog
from fastapi import Header, Response, status
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event
from pydantic import Field, WithJsonSchema
from starlette.responses import StreamingResponse

from kaboom.drivers.clock import from_ms
from kaboom.errors import StoreError
from kaboom.jobs.api.view import view_line
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis.events import EVENT_ID, EVENT_STREAM, START, EventHub, Feed, JobEvent
from kaboom.jobs.redis.lines import JobLine

#: Browsers reconnect after this long when the connection breaks.
_RETRY_MS = 2000
#: Lines arrive about a second late at most; when a job has ended and no line arrives for this long, its log has ended.
_QUIET_S = 2.0
_FINAL = frozenset(status.value for status in JobStatus if status.is_final)
#: Sent when the events cannot be read; the client reconnects with the id of the last event that it has seen.
_COME_BACK = format_sse_event(retry=5000, comment="the events cannot be read now: connect again")

_log = structlog.get_logger(__name__)


async def stream_events(hub: EventHub, job: Job, *, after: str) -> AsyncIterator[bytes]:
    """Yield a job's events after an id as SSE text, until its last one, or until they cannot be read."""
    yield format_sse_event(retry=_RETRY_MS, comment="events of a job")
    try:
        async for event in hub.watch(job.queue, job.job_id, after=after):
            if event is None:
                yield KEEPALIVE_COMMENT
                continue
            yield _format(event)
            if is_last(event):
                return
    except StoreError as e:
        _log.warning("stream_ended", queue=job.queue, reason=e.message)
        yield _COME_BACK


async def stream_lines(
    hub: EventHub, job: Job, *, after: str, is_wanted: Callable[[JobLine], bool]
) -> AsyncIterator[bytes]:
    """Yield the wanted log lines of a job after an id as SSE text, until the job has ended and no more lines arrive.

    If the lines cannot be read, the stream ends with a comment that says so.
    """
    yield format_sse_event(retry=_RETRY_MS, comment="log of a job")
    end = asyncio.create_task(wait_for_end(hub, job, timeout_s=None))
    try:
        async for event in hub.watch(job.queue, job.job_id, feed=Feed.LINES, after=after, ping_s=_QUIET_S):
            if event is None:
                if job.status.is_final or _is_over(end):
                    return
                yield KEEPALIVE_COMMENT
                continue
            line, text = _format_line(event)
            if is_wanted(line):
                yield text
    except StoreError as e:
        _log.warning("stream_ended", queue=job.queue, reason=e.message)
        yield _COME_BACK
    finally:
        end.cancel()
        await asyncio.gather(end, return_exceptions=True)


async def stream_end(job: Job) -> AsyncIterator[bytes]:
    """Yield the state of a finished job whose events are no longer kept, as one event without an id."""
    yield _format(JobEvent("", "status", job.status.value))


async def wait_for_end(hub: EventHub, job: Job, *, timeout_s: float | None) -> bool:
    """Return true when a job ends, or false after `timeout_s`; None waits without a limit."""
    try:
        async with asyncio.timeout(timeout_s):
            async for event in hub.watch(job.queue, job.job_id):
                if event and is_last(event):
                    return True
    except TimeoutError:
        pass
    return False


def is_last(event: JobEvent) -> bool:
    """Return whether this is the last event of a job."""
    return event.kind == "status" and event.data in _FINAL


def _format(event: JobEvent) -> bytes:
    return format_sse_event(event=event.kind, id=event.event_id or None, data_str=_data(event))


def _is_over(end: "asyncio.Task[bool]") -> bool:
    """Return whether a job has ended; raise the error of a failed wait, so that it does not count as the end."""
    return end.done() and end.result() is not None


@lru_cache(maxsize=2048)
def _format_line(event: JobEvent) -> tuple[JobLine, bytes]:
    """Return a line and its SSE text, which all watchers of a job share."""
    data = view_line(event).model_dump_json(exclude={"id"})
    return JobLine.from_json(event.data), format_sse_event(event="line", id=event.event_id, data_str=data)


def _data(event: JobEvent) -> str:
    if event.kind == "paused":
        return orjson.dumps({"paused_until": from_ms(event.data)}, option=orjson.OPT_UTC_Z).decode()
    if event.kind != "progress":
        return orjson.dumps({event.kind: event.data}).decode()
    done, failed, total = (int(part) for part in event.data.split("/"))
    return orjson.dumps({"done": done, "failed": failed, "total": total}).decode()


EventIdSchema = WithJsonSchema({"type": "string", "pattern": EVENT_ID})
#: An empty value means no id, as in browsers.
_LastIdSchema = WithJsonSchema({"type": "string", "pattern": f"^$|{EVENT_ID}"})
LastEventId = Annotated[Annotated[str, Field(max_length=50), _LastIdSchema] | None, Header(alias="Last-Event-ID")]
#: Keeps a proxy such as nginx from holding events back.
STREAM_HEADERS = {"X-Accel-Buffering": "no"}
_MAX_WAIT_S = 30
_EVENT = 'event: status\ndata: {"status":"running"}\nid: 1795569399213-0\n\n'
EVENT_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {EVENT_STREAM: {"examples": {"status": {"value": _EVENT}}}}},
    204: {"description": "the client has seen the job's last event"},
}


async def stream_job(hub: EventHub, job: Job, *, after: str) -> Response:
    """Return the events of a job after an id as a stream that ends with the job; 204 if nothing is left to send."""
    kept = await hub.read(job.queue, job.job_id, after=after)
    if job.status.is_final and not any(is_last(event) for event in kept):
        if after != START:
            return Response(status_code=status.HTTP_204_NO_CONTENT)
        return StreamingResponse(stream_end(job), media_type=EVENT_STREAM, headers=STREAM_HEADERS)
    return StreamingResponse(stream_events(hub, job, after=after), media_type=EVENT_STREAM, headers=STREAM_HEADERS)


def preferred_wait_s(prefer: str) -> int:
    """Return the seconds to wait of a `Prefer: wait=25` header, at most 30; 0 if it has none."""
    found = re.search(r"\bwait=(\d{1,4})\b", prefer)
    return min(int(found.group(1)), _MAX_WAIT_S) if found else 0
