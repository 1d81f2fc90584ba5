"""The log of a job as a page, as a stream and as a file, with the lines that a query selects."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import orjson
from fastapi import Depends, Query, Response, status
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.sse import STREAM_HEADERS, EventIdSchema, LastEventId, stream_lines
from kaboom.jobs.api.view import LogLine, LogPage, view_line
from kaboom.jobs.model import Job
from kaboom.jobs.redis.events import EVENT_STREAM, START, EventHub, Feed, JobEvent, parse_event_id
from kaboom.jobs.redis.lines import FieldValue, JobLine
from kaboom.market.calendar import JST

#: The last lines of a job may arrive this long after its end.
_LATE_S = 4.0
_LONG_AGO = datetime.min.replace(tzinfo=UTC)
_LINE = (
    'event: line\ndata: {"at":"2025-11-04T07:00:01.204000Z","level":"info","event":"job_planned",'
    '"fields":{"chunk":"plan","chunks":36,"accepted":true}}\nid: 1762239601512-0\n\n'
)
_NDJSON, _TEXT = "application/x-ndjson", "text/plain"
_FILES = {
    _NDJSON: '{"id":"1762239601512-0","at":"2025-11-04T07:00:01.204000Z","level":"info","event":"job_planned",'
    '"fields":{"chunk":"plan","chunks":36,"accepted":true}}\n',
    _TEXT: "2025-11-04T16:00:01.204+09:00  info     job_planned  chunk=plan chunks=36 accepted=true\n",
}
LOG_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {
        "content": {EVENT_STREAM: {"examples": {"line": {"value": _LINE}}}}
        | {
            media: {"schema": {"type": "string"}, "examples": {"line": {"value": text}}}
            for media, text in _FILES.items()
        }
    },
    204: {"description": "of a stream: the job has ended, and the client has seen its last line"},
}


class LogQuery(BaseModel):
    """The filter and the page of a log."""

    model_config = ConfigDict(extra="forbid")

    after: Annotated[str, Field(max_length=50), EventIdSchema] = Field(
        default=START, description="the id of the last line already seen"
    )
    limit: int = Field(default=200, ge=1, le=1000, description="of a page, not of a stream or a file")
    level: Literal["debug", "info", "warning", "error"] = Field(default="debug", description="this one and above")
    q: str = Field(
        default="",
        max_length=100,
        pattern=r"^[^\x00-\x1f]*$",
        description="words that a line has, all of them: part of its level, its event or a field; case does not matter",
    )
    format: Literal["json", "ndjson", "txt"] = Field(
        default="json", description="`ndjson` and `txt`: all lines as a file; `txt` has times in JST"
    )

    def selects(self, line: JobLine) -> bool:
        """Return whether a line has the level or a higher one, and all words."""
        return line.is_at_least(self.level) and line.has_words(self.q)


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
    wanted = _select(kept, query)
    items = [view_line(event) for event in wanted[: query.limit]]
    has_more = len(wanted) > query.limit
    # The lines that the filter leaves out count as seen.
    last = items[-1].id if has_more else (kept[-1].event_id if kept else query.after)
    return LogPage(items=items, after=last, has_more=has_more)


def download_log(kept: Sequence[JobEvent], query: LogQuery, job_id: str) -> Response:
    """Return all lines that a query asks for as a file, in order of time."""
    lines = sorted(map(view_line, _select(kept, query)), key=lambda line: line.at)
    is_text = query.format == "txt"
    text = "".join((_write_text(line) if is_text else line.model_dump_json()) + "\n" for line in lines)
    headers = {"Content-Disposition": f'attachment; filename="log-{job_id[:8]}.{query.format}"'}
    return Response(text, headers=headers, media_type=f"{_TEXT}; charset=utf-8" if is_text else _NDJSON)


async def stream_log(hub: EventHub, job: Job, query: LogQuery) -> Response:
    """Return the log of a job as a stream that ends after the job; 204 if nothing is left to send."""
    is_over = job.status.is_final and (utc_now() - (job.completed_at or _LONG_AGO)).total_seconds() > _LATE_S
    if is_over and not await hub.read(job.queue, job.job_id, after=query.after, feed=Feed.LINES):
        return Response(status_code=status.HTTP_204_NO_CONTENT)
    body = stream_lines(hub, job, after=query.after, is_wanted=query.selects)
    return StreamingResponse(body, media_type=EVENT_STREAM, headers=STREAM_HEADERS)


def _select(kept: Sequence[JobEvent], query: LogQuery) -> list[JobEvent]:
    return [event for event in kept if query.selects(JobLine.from_json(event.data))]


def _write_text(line: LogLine) -> str:
    fields = " ".join(f"{name}={_quote(value)}" for name, value in line.fields.items())
    at = line.at.astimezone(JST).isoformat(timespec="milliseconds")
    return f"{at}  {line.level:<7}  {_quote(line.event)}  {fields}".rstrip()


def _quote(value: FieldValue) -> str:
    """Return a value as a word; as JSON unless it is one, so that no text breaks the line or forges another."""
    is_word = isinstance(value, str) and value.isprintable() and value and " " not in value
    return str(value) if is_word else orjson.dumps(value).decode()
