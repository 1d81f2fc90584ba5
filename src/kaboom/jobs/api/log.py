"""The log of one job, in pages or as a stream."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from fastapi import Depends, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.sse import STREAM_HEADERS, EventIdSchema, LastEventId, stream_lines
from kaboom.jobs.api.view import LogPage, view_line
from kaboom.jobs.model import Job
from kaboom.jobs.redis.events import EVENT_STREAM, START, EventHub, Feed, JobEvent, parse_event_id
from kaboom.jobs.redis.lines import JobLine

#: The last lines of a job may arrive this long after its end.
_LATE_S = 4.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LINE = (
    'event: line\ndata: {"at":"2025-11-04T07:00:01.204000Z","level":"info","event":"job_planned",'
    '"fields":{"chunk":"plan","chunks":36,"accepted":true}}\nid: 1762239601512-0\n\n'
)
LOG_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {EVENT_STREAM: {"examples": {"line": {"value": _LINE}}}}},
    204: {"description": "of a stream: the job has ended, and the client has seen its last line"},
}


class LogQuery(BaseModel):
    """The filter and the page of a log."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=50), EventIdSchema] = Field(
        default=START, description="the id of the last line already seen"
    )
    limit: int = Field(default=200, ge=1, le=1000, description="of a page, not of a stream")
    level: Literal["debug", "info", "warning", "error"] = Field(default="debug", description="this one and above")


def _resume(query: Annotated[LogQuery, Query()], last_event_id: LastEventId = None) -> LogQuery:
    """Start after the last line that the client of a broken stream has seen."""
    after = last_event_id or query.after
    # Check both: `after` must be valid even if the header replaces it.
    for given in (query.after, after):
        parse_event_id(given)
    return query.model_copy(update={"after": after})


ResumedLogQuery = Annotated[LogQuery, Depends(_resume)]


def page_log(kept: Sequence[JobEvent], query: LogQuery) -> LogPage:
    """Return the first lines that a query asks for, and the id after which the next page begins."""
    wanted = [event for event in kept if JobLine.from_json(event.data).is_at_least(query.level)]
    items = [view_line(event) for event in wanted[: query.limit]]
    has_more = len(wanted) > query.limit
    # The lines that the level leaves out count as seen.
    last = items[-1].id if has_more else (kept[-1].event_id if kept else query.after)
    return LogPage(items=items, after=last, has_more=has_more)


async def stream_log(hub: EventHub, job: Job, query: LogQuery) -> Response:
    """Return the log of a job as a stream that ends after the job; 204 if nothing is left to send."""
    is_over = job.status.is_final and (utc_now() - (job.completed_at or _LONG_AGO)).total_seconds() > _LATE_S
    if is_over and not await hub.read(job.queue, job.job_id, after=query.after, feed=Feed.LINES):
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    body = stream_lines(hub, job, after=query.after, level=query.level)
    return StreamingResponse(body, media_type=EVENT_STREAM, headers=STREAM_HEADERS)
