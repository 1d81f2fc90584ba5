"""The stream of changes in the list of jobs."""

from typing import Annotated, cast

from fastapi import APIRouter, Depends, Header, Query, Request
from starlette.responses import StreamingResponse

from kaboom.dashboard.live import LiveRows
from kaboom.dashboard.page import Page
from kaboom.jobs.api.sse import STREAM_HEADERS
from kaboom.jobs.deps import count_stream, needs
from kaboom.jobs.redis.events import EVENT_STREAM
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_Id = Annotated[str, Query(max_length=50)]


@router.get("/live/jobs", dependencies=[needs(Scope.JOBS_READ), Depends(count_stream)])
async def stream_rows(
    page: Page,
    request: Request,
    after: _Id = "",
    last: Annotated[str, Header(alias="Last-Event-ID", max_length=50)] = "",
) -> StreamingResponse:
    """Stream changed rows; a page that reconnects sends the id of the last event that it received."""
    live = cast("LiveRows", request.app.state.live_rows)
    headers = STREAM_HEADERS | {"Cache-Control": "no-store"}
    return StreamingResponse(live.watch(page, after=last or after), media_type=EVENT_STREAM, headers=headers)
