"""`/api/v1/schedules`: requests that are submitted automatically, and the result of each due time."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError

from kaboom.catalog import CATALOG
from kaboom.drivers.request import report_all
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import refuse_internal
from kaboom.web.auth.guard import require_scopes
from kaboom.web.auth.principals import Principal

if TYPE_CHECKING:
    from kaboom.settings import AppSettings
import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Annotated
from uuid import uuid4

from fastapi import APIRouter, Response, status

from kaboom.drivers.clock import utc_now
from kaboom.jobs.api.submission import accept
from kaboom.jobs.api.view import Accepted
from kaboom.jobs.deps import Caller, Jobs, needs, opened
from kaboom.schedules.model import MissedPolicy, Schedule, ScheduleStore
from kaboom.schedules.scheduler import Scheduler
from kaboom.schedules.schemas import (
    NewSchedule,
    ScheduleChange,
    ScheduleDetail,
    ScheduleList,
    ScheduleView,
    view_detail,
    view_listed,
    view_schedule,
)
from kaboom.schedules.store import open_schedules
from kaboom.schedules.timing import next_dues
from kaboom.web.auth.changes import Action, logged_as
from kaboom.web.auth.scopes import Scope
from kaboom.web.errors import CONFLICT, INVALID, NOT_FOUND, OF_BODY, describe_problems
from kaboom.web.routers import FeatureRouter, hex_id


def to_request(task: str, given: Mapping[str, Any], settings: "AppSettings", caller: Principal) -> dict[str, Any]:
    """Return the request that a schedule of a task stores.

    Raises:
        Forbidden: the request needs a scope that the caller lacks.
        RequestValidationError: the request does not match the schema of the task.
        InvalidRequest: the request cannot be run, or has a `session` or a `callback_url`.

    """
    if given.get("session") is not None:
        raise InvalidRequest(
            f"session was {given['session']!r:.40}, expected none: each firing takes its own day",
            pointer="/request/session",
        )
    if given.get("callback_url") is not None:
        raise InvalidRequest(
            "callback_url was given, expected none: a schedule posts to no callback", pointer="/request/callback_url"
        )
    job_type = CATALOG.require(task)
    try:
        request = refuse_internal(report_all(given, job_type.request.model_validate))
        require_scopes(caller, job_type.scopes_of(request.to_json()))
        stored = job_type.check(request, settings).to_json()
    except ValidationError as e:
        places = [{**error, "loc": ("body", "request", *error["loc"])} for error in e.errors(include_url=False)]
        raise RequestValidationError(places) from e
    except InvalidRequest as e:
        raise InvalidRequest(e.message, pointer=f"/request{e.pointer}") from e
    require_scopes(caller, job_type.run_scopes_of(stored))
    return stored


_PREFIX = "/api/v1/schedules"
#: How many due times to come, and how many that have passed, the answer for one schedule lists.
NEXT = 5
LAST = 20
_READS, _WRITES = [needs(Scope.JOBS_READ)], [needs(Scope.SCHEDULES_WRITE)]
_BODY = describe_problems(*OF_BODY, CONFLICT)


ScheduleId = Annotated[str, hex_id("schedule_id", "schedule")]

Schedules = Annotated[ScheduleStore, opened(open_schedules)]

router = FeatureRouter(prefix=_PREFIX, tags=["schedules"])
one = APIRouter(prefix="/{schedule_id}", responses=describe_problems(NOT_FOUND, INVALID))


@router.get("", dependencies=_READS)
async def list_schedules(schedules: Schedules, caller: Caller) -> ScheduleList:
    """List all schedules, by name, each with the result of its newest due time."""
    found, last = await asyncio.gather(schedules.list_schedules(caller.owner), schedules.last_firings(caller.owner))
    return ScheduleList(items=[view_listed(schedule, last.get(schedule.schedule_id)) for schedule in found])


@router.post("", status_code=status.HTTP_201_CREATED, responses=_BODY, dependencies=_WRITES)
@logged_as(Action.CREATE_SCHEDULE)
async def create_schedule(
    jobs: Jobs, schedules: Schedules, caller: Caller, body: NewSchedule, response: Response
) -> ScheduleView:
    """Create a schedule; it first fires at its next due time."""
    timing = body.timing()
    if timing is None:
        raise InvalidRequest("expected cron or session_at")
    schedule = Schedule(
        schedule_id=uuid4().hex,
        owner=caller.owner,
        name=body.name,
        task=body.task,
        request=to_request(body.task, body.request, jobs.parts.settings, caller),
        timing=timing,
        missed=MissedPolicy(body.missed),
        max_late_h=body.max_late_h,
        is_enabled=body.is_enabled,
    )
    kept = await schedules.add(schedule)
    response.headers["Location"] = f"{_PREFIX}/{kept.schedule_id}"
    return view_schedule(kept)


@one.get("", dependencies=_READS)
async def get_schedule(schedules: Schedules, caller: Caller, schedule_id: ScheduleId) -> ScheduleDetail:
    """Show one schedule, its next five due times, and the results of the last twenty."""
    schedule = await schedules.load(caller.owner, schedule_id)
    firings = await schedules.list_firings(schedule_id, limit=LAST)
    return view_detail(schedule, next_dues(schedule.timing, utc_now(), count=NEXT), firings)


@one.patch("", responses=_BODY, dependencies=_WRITES)
@logged_as(Action.CHANGE_SCHEDULE)
async def change_schedule(
    jobs: Jobs, schedules: Schedules, caller: Caller, schedule_id: ScheduleId, body: ScheduleChange
) -> ScheduleView:
    """Enable, disable or change a schedule; due times while it was disabled do not count as missed."""
    task = (await _find_for(schedules, caller, schedule_id)).task
    values: dict[str, Any] = {
        "name": body.name,
        "request": None if body.request is None else to_request(task, body.request, jobs.parts.settings, caller),
        "timing": body.timing(),
        "missed": body.missed and MissedPolicy(body.missed),
        "max_late_h": body.max_late_h,
        "is_enabled": body.is_enabled,
    }
    given = {name: value for name, value in values.items() if value is not None}
    changed = await schedules.change(caller.owner, schedule_id, lambda s, now: _edit(s, given, now))
    return view_schedule(changed)


@one.delete("", status_code=status.HTTP_204_NO_CONTENT, dependencies=_WRITES)
@logged_as(Action.DELETE_SCHEDULE)
async def delete_schedule(schedules: Schedules, caller: Caller, schedule_id: ScheduleId) -> None:
    """Delete a schedule and its history; its jobs stay."""
    await _find_for(schedules, caller, schedule_id, is_to_run=False)
    await schedules.delete(caller.owner, schedule_id)


@one.post("/run", status_code=status.HTTP_202_ACCEPTED, dependencies=_WRITES)
@logged_as(Action.RUN_SCHEDULE)
async def run_schedule(
    jobs: Jobs, schedules: Schedules, caller: Caller, schedule_id: ScheduleId, response: Response
) -> Accepted:
    """Submit the request of a schedule now, also while it is disabled; its due times do not change.

    If a job of the same request is unfinished, that job is returned (`Kaboom-Coalesced: true`).
    """
    await _find_for(schedules, caller, schedule_id)
    admission = await Scheduler(jobs, schedules).fire_now(caller.owner, schedule_id)
    return accept(admission, response)


router.include_router(one)


async def _find_for(
    schedules: ScheduleStore, caller: Principal, schedule_id: str, *, is_to_run: bool = True
) -> Schedule:
    """Return a schedule to a caller who may see jobs of its request, and with `is_to_run` may submit it."""
    schedule = await schedules.load(caller.owner, schedule_id)
    job_type = CATALOG.find(schedule.task)
    # As for jobs: what a type of a newer release needs is not known here.
    needed = {Scope.ADMIN} if job_type is None else set(job_type.scopes_of(schedule.request))
    if job_type and is_to_run:
        needed |= job_type.run_scopes_of(schedule.request)
    require_scopes(caller, sorted(needed))
    return schedule


def _edit(schedule: Schedule, given: Mapping[str, Any], now: datetime) -> Schedule:
    changed = replace(schedule, **given)
    is_retimed = (changed.timing, changed.is_enabled) != (schedule.timing, schedule.is_enabled)
    return changed.rearmed(now) if is_retimed else changed
