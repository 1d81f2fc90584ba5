"""The bodies and answers of the schedules' routes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, StrictBool, model_validator

from kaboom.catalog import CATALOG
from kaboom.jobs.api.words import Label
from kaboom.market.fields import WHOLE, one_of
from kaboom.schedules.model import DEFAULT_MAX_LATE_H, MAX_LATE_H, Firing, FiringOutcome, MissedPolicy, Schedule
from kaboom.schedules.timing import SESSION_AT, Timing, TimingKind, parse_cron, parse_session_at
from kaboom.web.routers import view_of

_ID = "5b0f7f0f9c1d4c0bb4a3c0a7e2f6d1aa"
_JOB = "dc84d88371794773b929d2957f6a663b"
_REQUEST = {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000}


_Cron = Annotated[
    str,
    Field(
        max_length=100,
        description="minute hour day month weekday, in Japan's time",
        json_schema_extra={"pattern": r"^\s*\S+(\s+\S+){4}\s*$"},
    ),
]
_SessionAt = Annotated[
    str,
    Field(
        max_length=5,
        description="HH:MM of each trading session, in Japan's time, from 09:00",
        json_schema_extra={"pattern": SESSION_AT},
    ),
]
#: Exactly one of two fields; the other is missing or null.
_ALONE: list[JsonValue] = [
    {"required": [one], "properties": {one: {"type": "string"}, other: {"type": "null"}}}
    for one, other in (("cron", "session_at"), ("session_at", "cron"))
]
_TASKS = tuple(job_type.name for job_type in CATALOG.schedulable)


def _check_task(name: str) -> str:
    if name not in _TASKS:
        raise ValueError(f"was {name!r}, expected one of {', '.join(_TASKS)}")
    return name


#: A kind of job that a schedule may submit.
Task = Annotated[str, Field(max_length=80), AfterValidator(_check_task), one_of(_TASKS)]
_Request = Annotated[dict[str, Any], Field(max_length=20, description="as the body of the task's own route")]
_Missed = Literal["latest", "skip", "all"]
_MaxLate = Annotated[
    int, Field(ge=1, le=MAX_LATE_H, description="hours after which a due time is not made up for"), WHOLE
]


class _Timed(BaseModel):
    cron: _Cron | None = None
    session_at: _SessionAt | None = Field(default=None, examples=["16:35"])

    def timing(self) -> Timing | None:
        """Return the timing of the request, if it has one.

        Raises:
            InvalidRequest: the timing is not valid.

        """
        if self.cron is not None:
            return parse_cron(self.cron)
        return None if self.session_at is None else parse_session_at(self.session_at)


class NewSchedule(_Timed):
    """A request, and when to submit it: by `cron`, or at a time of each session."""

    model_config = ConfigDict(extra="forbid", strict=True, json_schema_extra={"oneOf": _ALONE})

    name: Label = Field(examples=["daily ingest"])
    task: Task = "ingest.run_daily"
    request: _Request = Field(examples=[{"intervals": {"1m": 1}, "market": "TSE_PRIME"}])
    missed: _Missed = Field(default="latest", examples=["latest"])
    max_late_h: _MaxLate = DEFAULT_MAX_LATE_H
    is_enabled: StrictBool = True

    @model_validator(mode="after")
    def _check_timing(self) -> Self:
        if (self.cron is None) == (self.session_at is None):
            raise ValueError("expected either cron or session_at, and not both")
        return self


class ScheduleChange(_Timed):
    """The changes to a schedule; fields that are missing or null do not change."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {"is_enabled": True},
            "not": {
                "required": ["cron", "session_at"],
                "properties": {"cron": {"type": "string"}, "session_at": {"type": "string"}},
            },
        },
    )

    name: Label | None = None
    request: _Request | None = None
    missed: _Missed | None = None
    max_late_h: _MaxLate | None = None
    is_enabled: StrictBool | None = Field(default=None, examples=[True])

    @model_validator(mode="after")
    def _check_timing(self) -> Self:
        if self.cron is not None and self.session_at is not None:
            raise ValueError("expected cron or session_at, and not both")
        return self


class ScheduleView(BaseModel):
    """A schedule; times are UTC."""

    schedule_id: str = Field(examples=["5b0f7f0f9c1d4c0bb4a3c0a7e2f6d1aa"])
    name: str = Field(examples=["daily ingest"])
    task: str = Field(examples=["ingest.run_daily"])
    request: dict[str, Any] = Field(examples=[{"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000}])
    kind: TimingKind = Field(examples=["session"])
    session_at: str | None = Field(examples=["16:35"])
    cron: str | None
    missed: MissedPolicy = Field(examples=["latest"])
    max_late_h: int = Field(examples=[72])
    is_enabled: bool = Field(examples=[True])
    next_at: datetime | None = Field(
        description="the next due time; null while disabled", examples=["2025-11-05T07:35:00Z"]
    )
    last_at: datetime | None = Field(
        description="the due time of the last firing that has a job", examples=["2025-11-04T07:35:00Z"]
    )
    last_job_id: str | None = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    created_at: datetime = Field(examples=["2025-10-31T02:11:09Z"])
    updated_at: datetime = Field(examples=["2025-10-31T02:14:40Z"])


class FiringView(BaseModel):
    """The result of one due time; `job_id` is the job that it started or joined."""

    model_config = ConfigDict(from_attributes=True)

    due_at: datetime = Field(examples=["2025-11-04T07:35:00Z"])
    outcome: FiringOutcome = Field(examples=["fired"])
    fired_at: datetime = Field(examples=["2025-11-04T07:35:00.412000Z"])
    job_id: str | None = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    is_manual: bool = Field(examples=[False])
    reason: str = Field(examples=[""])


class ScheduleDetail(ScheduleView):
    """A schedule with its next due times, also while it is disabled, and its last firings, newest first."""

    next_due: list[datetime] = Field(
        examples=[
            [
                "2025-11-05T07:35:00Z",
                "2025-11-06T07:35:00Z",
                "2025-11-07T07:35:00Z",
                "2025-11-10T07:35:00Z",
                "2025-11-11T07:35:00Z",
            ]
        ]
    )
    firings: list[FiringView]


class ListedSchedule(ScheduleView):
    """A schedule, and its firing with the newest due time."""

    last_firing: FiringView | None


class ScheduleList(BaseModel):
    """All schedules, by name."""

    items: list[ListedSchedule]


def view_schedule(schedule: Schedule) -> ScheduleView:
    """Return a schedule as the API shows it."""
    return view_of(ScheduleView, schedule, **_timing(schedule))


def view_listed(schedule: Schedule, last: Firing | None) -> ListedSchedule:
    """Return a schedule as the list shows it."""
    firing = FiringView.model_validate(last) if last else None
    return view_of(ListedSchedule, schedule, **_timing(schedule), last_firing=firing)


def view_detail(schedule: Schedule, next_due: Sequence[datetime], firings: Sequence[Firing]) -> ScheduleDetail:
    """Return a schedule with its next due times and its last firings."""
    shown = [FiringView.model_validate(firing) for firing in firings]
    return view_of(ScheduleDetail, schedule, **_timing(schedule), next_due=list(next_due), firings=shown)


def _timing(schedule: Schedule) -> dict[str, Any]:
    timing = schedule.timing
    return {
        "kind": timing.kind,
        "session_at": timing.text if timing.kind is TimingKind.SESSION else None,
        "cron": timing.text if timing.kind is TimingKind.CRON else None,
    }
