"""The forms of schedules.

The audit log shows the names of these functions. They are those of the API, except `switch_schedule`.
"""

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import APIRouter, Request, Response, status

from kaboom.dashboard.api_client import problem_of
from kaboom.dashboard.job_rows import page_of
from kaboom.dashboard.page_request import HexId, Page
from kaboom.dashboard.viewer import first_of, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.deps import needs
from kaboom.schedules.page.schedules import API, show_form_of
from kaboom.web.auth.scopes import Scope

router = APIRouter(dependencies=[needs(Scope.SCHEDULES_WRITE)])
_TEXTS = ("name", "task", "request", "when", "session_at", "cron", "missed", "max_late_h", "is_enabled")


@router.post("/schedules")
async def create_schedule(page: Page, request: Request) -> Response:
    """Add a schedule; a refused form is shown again with the reason at its field."""
    return await _save(page, request)


@router.post("/schedules/{schedule_id}")
async def change_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Change a schedule; a refused form is shown again with the reason at its field."""
    return await _save(page, request, schedule_id)


@router.post("/schedules/{schedule_id}/switch")
async def switch_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Enable or disable a schedule."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    (await page.api.patch(f"{API}/{schedule_id}", {"is_enabled": is_enabled})).require()
    return page.go_to(f"/schedules/{schedule_id}?done={'enabled' if is_enabled else 'disabled'}")


@router.post("/schedules/{schedule_id}/run")
async def run_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Submit the request of a schedule now, and open its job."""
    await read_form(request)
    reply = (await page.api.post(f"{API}/{schedule_id}/run")).require()
    return page.go_to(page_of(reply.headers["location"]))


@router.post("/schedules/{schedule_id}/remove")
async def delete_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Remove a schedule with its history."""
    await read_form(request)
    (await page.api.delete(f"{API}/{schedule_id}")).require()
    return page.go_to("/schedules?done=removed")


async def _save(page: Page, request: Request, schedule_id: str = "") -> Response:
    """Add a schedule, or change the one with the id."""
    fields = await read_form(request)
    values = {name: first_of(fields, name) for name in _TEXTS}
    try:
        body = _to_body(values)
    except InvalidRequest as e:
        return await show_form_of(page, values, schedule_id=schedule_id, problem=problem_of(e))
    if schedule_id:
        # The task of a schedule cannot be changed.
        del body["task"]
    reply = await (page.api.patch(f"{API}/{schedule_id}", body) if schedule_id else page.api.post(API, body))
    if reply.status == status.HTTP_404_NOT_FOUND:
        return await page.show_problem(reply)
    if not reply.is_ok:
        return await show_form_of(page, values, schedule_id=schedule_id, problem=reply.problem)
    return page.go_to(f"/schedules/{reply.data['schedule_id']}?done={'changed' if schedule_id else 'added'}")


def _to_body(values: Mapping[str, str]) -> dict[str, Any]:
    """Return the fields as the JSON of the API, which checks their values.

    Raises:
        InvalidRequest: a field is not of its type.

    """
    by_session = values["when"] != "cron"
    return {
        "name": values["name"].strip(),
        "task": values["task"],
        "request": _parse_json(values["request"]),
        "session_at" if by_session else "cron": values["session_at" if by_session else "cron"].strip(),
        "missed": values["missed"],
        "max_late_h": _parse_whole(values["max_late_h"]),
        "is_enabled": values["is_enabled"] == "yes",
    }


def _parse_json(text: str) -> object:
    try:
        return orjson.loads(text)
    except ValueError as e:
        raise InvalidRequest(f"the request was not JSON: {e}", pointer="/request") from e


def _parse_whole(text: str) -> int:
    if not text.strip().isascii() or not text.strip().isdecimal() or len(text) > 9:
        raise InvalidRequest(f"max_late_h was {text[:20]!r}, expected a number of hours", pointer="/max_late_h")
    return int(text)
