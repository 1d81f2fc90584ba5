"""The forms of the jobs page: cancel and retry one job or many, with a preview, and saved views."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Literal, cast

from fastapi import APIRouter, Request, Response

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.job_rows import JobRow, api_path, is_reference
from kaboom.dashboard.links import link_to
from kaboom.dashboard.page_request import Page
from kaboom.dashboard.viewer import KEPT_S, first_of, is_own_path, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import Accepted, JobView
from kaboom.jobs.deps import needs
from kaboom.jobs.page.jobs import COOKIE, add_view, drop_view, read_views, write_views
from kaboom.web.auth.scopes import Scope

type Action = Literal["retry", "again", "cancel"]
router = APIRouter()
#: The API call of each action: the last part of the path, and the body.
_CALLS: Mapping[str, tuple[str, Mapping[str, str]]] = {
    "retry": ("retry", {"only": "failed"}),
    "again": ("retry", {"only": "all"}),
    "cancel": ("cancel", {}),
}
_MOST_JOBS = 200
#: The most API calls at once, so that an action on 200 jobs leaves connections for other requests.
_AT_ONCE = 8


@router.post("/jobs/preview", dependencies=[needs(Scope.JOBS_READ)])
async def preview(page: Page, request: Request) -> Response:
    """Show what an action would do to the chosen jobs, before it runs."""
    fields = await read_form(request)
    action, chosen, back = _read(fields)
    found = await _ask_each(chosen, partial(page.api.get, JobView))
    rows = [JobRow(reply.data) for reply in found if reply.is_ok]
    fitting = [row for row in rows if _fits(row, action)]
    values = {"action": action, "rows": fitting, "left_out": len(chosen) - len(fitting), "back": back}
    return await page.show("parts/job/preview.html" if page.is_part else "job_preview.html", **values)


@router.post("/jobs/act", dependencies=[needs(Scope.JOBS_WRITE)])
async def act(page: Page, request: Request) -> Response:
    """Run the action of the preview on the chosen jobs."""
    fields = await read_form(request)
    action, chosen, back = _read(fields)
    verb, body = _CALLS[action]
    reason = first_of(fields, "reason").strip()
    asked = {**body, "reason": reason} if reason else body
    replies = await _ask_each(chosen, lambda path: page.api.post(Accepted, f"{path}/{verb}", asked))
    accepted = [reply for reply in replies if reply.is_ok]
    if not accepted and replies:
        return await page.show_problem(replies[0])
    if verb == "retry" and len(chosen) == 1:
        queue = chosen[0].partition("/")[0]
        return page.go_to(f"/jobs/{queue}/{accepted[0].data.job_id}")
    done = {"done": action, "n": len(accepted), "refused": len(replies) - len(accepted)}
    return page.go_to(link_to(back, **done))


@router.post("/jobs/views", dependencies=[needs()])
async def save_view(page: Page, request: Request) -> Response:
    """Save the filters of the page under a name, or delete a saved view, in the viewer's cookie."""
    fields = await read_form(request)
    views, query = read_views(request), first_of(fields, "query")
    if dropped := first_of(fields, "drop"):
        views = drop_view(views, dropped)
    else:
        views = add_view(views, first_of(fields, "name"), query)
    response = page.go_to(f"/jobs?{query}" if query else "/jobs")
    is_secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, write_views(views), max_age=KEPT_S, httponly=True, secure=is_secure, samesite="lax")
    return response


def _read(fields: Mapping[str, Sequence[str]]) -> tuple[Action, list[str], str]:
    action, chosen, back = (
        first_of(fields, "action"),
        list(dict.fromkeys(fields.get("job", []))),
        first_of(fields, "next"),
    )
    if action not in _CALLS:
        raise InvalidRequest(f"the action was {action[:20]!r}, expected retry, again or cancel")
    if not 1 <= len(chosen) <= _MOST_JOBS or not all(map(is_reference, chosen)):
        raise InvalidRequest(f"{len(chosen)} jobs were chosen, expected 1 to {_MOST_JOBS}, each as queue/id")
    return cast("Action", action), chosen, back if is_own_path(back) else "/jobs"


async def _ask_each[V](chosen: Sequence[str], ask: Callable[[str], Awaitable[Reply[V]]]) -> list[Reply[V]]:
    free = asyncio.Semaphore(_AT_ONCE)

    async def one(reference: str) -> Reply[V]:
        async with free:
            return await ask(api_path(reference))

    return await asyncio.gather(*map(one, chosen))


def _fits(row: JobRow, action: Action) -> bool:
    """Return whether an action seems to apply to a job; the API decides."""
    if action == "retry":
        return row.is_final and row.retry_count > 0
    return row.is_final == (action == "again")
