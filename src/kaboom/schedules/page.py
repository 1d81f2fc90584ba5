"""The schedules: when each is due next, the results of the last due times, and the forms that change them."""

import asyncio
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Request, Response, status

from kaboom.catalog import CATALOG
from kaboom.dashboard.api_client import problem_of
from kaboom.dashboard.job_rows import page_of
from kaboom.dashboard.page_request import HexId, OpenPage, Page
from kaboom.dashboard.request_form import (
    RequestField,
    given_values,
    initial_values,
    list_request_fields,
    read_values,
    show_values,
    to_request,
)
from kaboom.dashboard.unknown import AnyId, Near, UnknownName, find_near_names, is_id
from kaboom.dashboard.viewer import check_form, first_of, number_or_text, read_form
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import Accepted
from kaboom.jobs.deps import needs
from kaboom.schedules.calendar import fill_days, list_days
from kaboom.schedules.model import DEFAULT_MAX_LATE_H, MissedPolicy
from kaboom.schedules.routes import LAST, NEXT
from kaboom.schedules.schemas import ScheduleDetail, ScheduleList, ScheduleView
from kaboom.web.auth.scopes import Scope

router = APIRouter()
API = "/api/v1/schedules"
#: The mark of each outcome of a due time: its kind, which selects the colour, and its shape.
MARKS: Mapping[str, tuple[str, str]] = {
    "fired": ("ok", "ok"),
    "joined": ("ok", "ok"),
    "skipped": ("idle", "stop"),
    "missed": ("warn", "warn"),
    "refused": ("bad", "bad"),
}
#: The initial values of the form for a new schedule.
_DAILY: Mapping[str, object] = {
    "name": "",
    "task": "ingest.run_daily",
    "request": "",
    "when": "session",
    "session_at": "16:35",
    "cron": "0 18 * * 5",
    "missed": "latest",
    "max_late_h": str(DEFAULT_MAX_LATE_H),
    "is_enabled": "yes",
}
#: More schedules are not in the calendar, which asks for each of them.
_IN_CALENDAR = 50
_Name = Annotated[str, Query(max_length=80)]
Done = Annotated[str, Query(max_length=20)]
_TEXTS = ("name", "task", "request", "when", "session_at", "cron", "missed", "max_late_h", "is_enabled")


@router.get("/schedules", dependencies=[needs(Scope.JOBS_READ)])
async def show_schedules(page: Page, done: Done = "") -> Response:
    """Show all schedules, by name."""
    found = await page.api.get(ScheduleList, API)
    due = sorted(((each.next_at, each) for each in found.items if each.next_at), key=itemgetter(0))
    return await page.show(
        "operations/schedules.html",
        found=found,
        next_due=due[0][1] if due else None,
        done=done,
        firing_marks=MARKS,
    )


@router.get("/schedules/calendar", dependencies=[needs(Scope.JOBS_READ)])
async def show_calendar(page: Page) -> Response:
    """Show what each schedule did and will do, by day."""
    found = await page.api.get(ScheduleList, API)
    listed = found.items[:_IN_CALENDAR]
    details = await asyncio.gather(*(page.api.get(ScheduleDetail, f"{API}/{each.schedule_id}") for each in listed))
    days = list_days(page.viewer.now)
    return await page.show(
        "operations/schedule_calendar.html",
        found=found,
        days=days,
        rows=[(each.data, fill_days(each.data, days, listed=(LAST, NEXT))) for each in details if each.is_ok],
        firing_marks=MARKS,
    )


@router.get("/schedules/new", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def show_form(
    page: Page, request: Request, task: Annotated[str, Query(max_length=60)] = "", name: _Name = ""
) -> Response:
    """Show the form for a new schedule of a task, by default the daily ingest; the query fills further fields."""
    is_known = any(each.name == task for each in CATALOG.schedulable)
    job_type = CATALOG.get(task if is_known else str(_DAILY["task"]))
    given = {key: value for key, value in request.query_params.items() if is_known}
    return await show_form_of(page, {**_DAILY, "task": job_type.name, "name": name, **given_values(job_type, given)})


@router.get("/schedules/{schedule_id}/edit", dependencies=[needs(Scope.JOBS_READ)])
async def show_edit_form(page: Page, schedule_id: AnyId) -> Response:
    """Show the form with the values of a schedule."""
    return await show_form_of(page, _values_of(await _ask(page, schedule_id)), schedule_id=schedule_id)


@router.get("/schedules/{schedule_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_schedule(page: Page, schedule_id: AnyId, done: Done = "") -> Response:
    """Show one schedule with its next due times and its firings."""
    schedule = await _ask(page, schedule_id)
    return await page.show("operations/schedule.html", schedule=schedule, done=done, firing_marks=MARKS)


async def _ask(page: OpenPage, schedule_id: str) -> ScheduleDetail:
    if is_id(schedule_id):
        reply = await page.api.get(ScheduleDetail, f"{API}/{schedule_id}")
        if reply.status != status.HTTP_404_NOT_FOUND:
            return reply.data
    items = (await page.api.get(ScheduleList, API)).items
    listed = [Near(f"/schedules/{each.schedule_id}", each.schedule_id, each.name) for each in items]
    raise UnknownName("schedule", schedule_id, find_near_names(schedule_id, listed))


async def show_form_of(
    page: Page, values: Mapping[str, object], *, schedule_id: str = "", problem: Mapping[str, Any] | None = None
) -> Response:
    """Show the form with values, and with the API's problem if they were refused; without an id, for a new schedule."""
    return await page.show(
        "operations/schedule_new.html",
        problem["status"] if problem else 200,
        values=values,
        schedule_id=schedule_id,
        problem=problem,
        tasks=sorted(each.name for each in CATALOG.schedulable),
        fields=_fields_of(str(values["task"])),
        policies=[policy.value for policy in MissedPolicy],
    )


def _fields_of(task: str) -> tuple[RequestField, ...]:
    """Return the fields of the request of a task; each firing takes its own session."""
    is_known = any(each.name == task for each in CATALOG.schedulable)
    return tuple(field for field in list_request_fields(task) if field.name != "session") if is_known else ()


def _values_of(schedule: ScheduleView) -> dict[str, object]:
    """Return the values of the form for a schedule of the API."""
    kept = {name: str(getattr(schedule, name)) for name in ("name", "task", "missed", "max_late_h")}
    return {
        **kept,
        "request": "",
        **show_values(_fields_of(schedule.task), schedule.request, default=True),
        "when": schedule.kind.value,
        "session_at": schedule.session_at or _DAILY["session_at"],
        "cron": schedule.cron or _DAILY["cron"],
        "is_enabled": "yes" if schedule.is_enabled else "",
    }


# The audit log shows the names of these functions. They are those of the API, except `switch_schedule`.
@router.post("/schedules/new", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def create_schedule(page: Page, request: Request) -> Response:
    """Add a schedule; a refused form is shown again with the reason at its field."""
    return await _save(page, request)


@router.post("/schedules/{schedule_id}/edit", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def change_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Change a schedule; a refused form is shown again with the reason at its field."""
    return await _save(page, request, schedule_id)


@router.post("/schedules/{schedule_id}/switch", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def switch_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Enable or disable a schedule."""
    is_enabled = first_of(await read_form(request), "is_enabled") == "yes"
    (await page.api.patch(ScheduleView, f"{API}/{schedule_id}", {"is_enabled": is_enabled})).require()
    return page.go_to(f"/schedules/{schedule_id}?done={'enabled' if is_enabled else 'disabled'}")


@router.post("/schedules/{schedule_id}/run", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def run_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Submit the request of a schedule now, and open its job."""
    await check_form(request)
    reply = (await page.api.post(Accepted, f"{API}/{schedule_id}/run")).require()
    return page.go_to(page_of(reply.headers["location"]))


@router.post("/schedules/{schedule_id}/remove", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def delete_schedule(page: Page, request: Request, schedule_id: HexId) -> Response:
    """Remove a schedule with its history."""
    await check_form(request)
    (await page.api.delete(f"{API}/{schedule_id}")).require()
    return page.go_to("/schedules?done=removed")


async def _save(page: Page, request: Request, schedule_id: str = "") -> Response:
    """Add a schedule, or change the one with the id."""
    fields = await read_form(request)
    values = {name: first_of(fields, name) for name in _TEXTS}
    values |= read_values(_fields_of(values["task"]), fields)
    if first_of(fields, "action") == "fields":
        return await show_form_of(page, _with_fields(values, fields), schedule_id=schedule_id)
    body, fault = _to_body(values)
    if schedule_id:
        # The task of a schedule cannot be changed.
        del body["task"]
    reply = await (
        page.api.patch(ScheduleView, f"{API}/{schedule_id}", body)
        if schedule_id
        else page.api.post(ScheduleView, API, body)
    )
    if reply.status == status.HTTP_404_NOT_FOUND:
        return await page.show_problem(reply)
    if not reply.is_ok:
        problem = problem_of(fault, further=reply.problem) if fault else reply.problem
        return await show_form_of(page, values, schedule_id=schedule_id, problem=problem)
    return page.go_to(f"/schedules/{reply.data.schedule_id}?done={'changed' if schedule_id else 'added'}")


def _with_fields(values: Mapping[str, str], form: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Return the values of a form with the fields of its task: of the JSON, if there is any that can be read."""
    fields, request = _fields_of(values["task"]), _parse_json(values["request"])[0]
    if isinstance(request, dict):
        return {**values, **show_values(fields, request, default=True), "request": ""}
    if not fields or values["request"].strip():
        return dict(values)
    typed = {field.key: values[field.key] for field in fields if field.key in form or field.kind == "flag"}
    return {**values, **initial_values(CATALOG.get(values["task"])), **typed}


def _to_body(values: Mapping[str, str]) -> tuple[dict[str, Any], InvalidRequest | None]:
    """Return the fields as the JSON of the API, which checks their values, and why the request is not JSON."""
    by_session = values["when"] != "cron"
    request, fault = (
        _parse_json(values["request"])
        if values["request"].strip()
        else (to_request(_fields_of(values["task"]), values), None)
    )
    return {
        "name": values["name"].strip(),
        "task": values["task"],
        "request": request,
        "session_at" if by_session else "cron": values["session_at" if by_session else "cron"].strip(),
        "missed": values["missed"],
        "max_late_h": number_or_text(values["max_late_h"].strip()),
        "is_enabled": values["is_enabled"] == "yes",
    }, fault


def _parse_json(text: str) -> tuple[object, InvalidRequest | None]:
    """Return JSON; other text unchanged, which the API refuses, with the reason."""
    try:
        return orjson.loads(text), None
    except ValueError as e:
        return text, InvalidRequest(f"the request was not JSON: {e}", pointer="/request")
