"""Watch one job: stream its events, and parse how long a poll may wait."""

import re
from typing import Annotated, Any

from fastapi import Header, Response, status
from pydantic import Field, WithJsonSchema
from starlette.responses import StreamingResponse

from kaboom.jobs.api.sse import is_last, stream_end, stream_events
from kaboom.jobs.model import Job
from kaboom.jobs.redis.events import EVENT_ID, START, EventHub
from kaboom.jobs.redis.streams import EVENT_STREAM

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
