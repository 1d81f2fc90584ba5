"""The schedules: when each is due next, and the results of the last due times."""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Query, Response

from kaboom.catalog import CATALOG
from kaboom.dashboard.page_request import HexId, Page
from kaboom.jobs.deps import needs
from kaboom.schedules.model import DEFAULT_MAX_LATE_H, MissedPolicy
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
    "request": '{"intervals": {"1m": 1}, "market": "TSE_PRIME"}',
    "when": "session",
    "session_at": "16:35",
    "cron": "0 18 * * 5",
    "missed": "latest",
    "max_late_h": str(DEFAULT_MAX_LATE_H),
    "is_enabled": "yes",
}
Done = Annotated[str, Query(max_length=20)]


@router.get("/schedules", dependencies=[needs(Scope.JOBS_READ)])
async def show_schedules(page: Page, done: Done = "") -> Response:
    """Show all schedules, by name."""
    found = await page.ask(API)
    due = sorted((each for each in found.items if each["next_at"]), key=lambda each: str(each["next_at"]))
    return await page.show(
        "operations/schedules.html",
        found=found,
        next_due=due[0] if due else None,
        done=done,
        firing_marks=MARKS,
    )


@router.get("/schedules/new", dependencies=[needs(Scope.SCHEDULES_WRITE)])
async def show_form(page: Page) -> Response:
    """Show the form for a new schedule."""
    return await show_form_of(page, _DAILY)


@router.get("/schedules/{schedule_id}/edit", dependencies=[needs(Scope.JOBS_READ)])
async def show_edit_form(page: Page, schedule_id: HexId) -> Response:
    """Show the form with the values of a schedule."""
    found = (await page.ask(f"{API}/{schedule_id}")).require()
    return await show_form_of(page, _values_of(found.data), schedule_id=schedule_id)


@router.get("/schedules/{schedule_id}", dependencies=[needs(Scope.JOBS_READ)])
async def show_schedule(page: Page, schedule_id: HexId, done: Done = "") -> Response:
    """Show one schedule with its next due times and its firings."""
    found = (await page.ask(f"{API}/{schedule_id}")).require()
    return await page.show("operations/schedule.html", schedule=found.data, done=done, firing_marks=MARKS)


async def show_form_of(
    page: Page, values: Mapping[str, object], *, schedule_id: str = "", problem: Mapping[str, Any] | None = None
) -> Response:
    """Show the form with values, and with the API's problem if they were refused; without an id, for a new schedule."""
    examples = {each.name: orjson.dumps(each.example).decode() for each in CATALOG.schedulable}
    return await page.show(
        "operations/schedule_new.html",
        problem["status"] if problem else 200,
        values=values,
        schedule_id=schedule_id,
        problem=problem,
        examples=dict(sorted(examples.items())),
        policies=[policy.value for policy in MissedPolicy],
    )


def _values_of(schedule: Mapping[str, Any]) -> dict[str, object]:
    """Return the values of the form for a schedule of the API."""
    kept = {name: str(schedule[name]) for name in ("name", "task", "missed", "max_late_h")}
    return {
        **kept,
        "request": orjson.dumps(schedule["request"]).decode(),
        "when": schedule["kind"],
        "session_at": schedule["session_at"] or _DAILY["session_at"],
        "cron": schedule["cron"] or _DAILY["cron"],
        "is_enabled": "yes" if schedule["is_enabled"] else "",
    }
