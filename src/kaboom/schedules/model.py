"""Schedules and their firings, and the decision whether a due time fires."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol
from uuid import uuid4

from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.market.calendar import JST
from kaboom.schedules.timing import Timing, TimingKind, next_due
from kaboom.web.auth.principals import DEFAULT_OWNER

#: A firing within this time counts as punctual; a restart of all processes takes less.
PUNCTUAL_S = 300
#: From Friday evening to Monday evening.
DEFAULT_MAX_LATE_H = 72
MAX_LATE_H = 720


class MissedPolicy(StrEnum):
    """What to do with due times that were missed; `docs/reference/schedules.md` explains each."""

    LATEST = "latest"
    SKIP = "skip"
    ALL = "all"


class FiringOutcome(StrEnum):
    """The outcome of a due time."""

    FIRED = "fired"  # a job was submitted
    JOINED = "joined"  # an unfinished job had the same request: the firing has joined it
    SKIPPED = "skipped"  # late, and the policy is `skip`
    MISSED = "missed"  # later than allowed, or a newer due time has passed, too
    REFUSED = "refused"  # this version cannot run it


@dataclass(frozen=True, slots=True)
class Schedule:
    """A request and when to submit it.

    Attributes:
        request: the checked request of the task; a firing of kind `session` adds its session.
        missed: what to do with due times that were missed.
        max_late_h: a due time that was missed by more than this does not fire.
        next_at: the next due time; None while disabled, or if none is known.
        last_at: the due time of the last firing that has a job, `last_job_id`.

    """

    schedule_id: str
    owner: str
    name: str
    task: str
    request: Mapping[str, Any]
    timing: Timing
    missed: MissedPolicy = MissedPolicy.LATEST
    max_late_h: int = DEFAULT_MAX_LATE_H
    is_enabled: bool = True
    next_at: datetime | None = None
    last_at: datetime | None = None
    last_job_id: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    def rearmed(self, now: datetime) -> "Schedule":
        """Return the schedule with its next due time after `now`; None while it is disabled."""
        return replace(self, next_at=next_due(self.timing, now) if self.is_enabled else None)

    def request_at(self, due_at: datetime) -> Mapping[str, Any]:
        """Return the request of a due time: a late firing gets the session of its due time."""
        if self.timing.kind is TimingKind.CRON:
            return self.request
        return {**self.request, "session": due_at.astimezone(JST).date().isoformat()}


@dataclass(frozen=True, slots=True)
class Firing:
    """One due time of a schedule, and its outcome at `fired_at`."""

    schedule_id: str
    due_at: datetime
    outcome: FiringOutcome
    fired_at: datetime
    job_id: str | None = None
    is_manual: bool = False
    reason: str = ""

    def with_job(self, admission: Admission) -> "Firing":
        """Return the firing with the job that it submitted or joined."""
        outcome = FiringOutcome.JOINED if admission.how is Admitted.JOINED else FiringOutcome.FIRED
        return replace(self, outcome=outcome, job_id=admission.job.job_id)


def judge_due_time(schedule: Schedule, due_at: datetime, now: datetime) -> tuple[FiringOutcome, str]:
    """Return whether a due time fires, and the reason if it does not."""
    late = now - due_at
    following = next_due(schedule.timing, due_at)
    is_superseded = following is not None and following <= now
    lateness = f"{late / timedelta(hours=1):,.1f} h late"
    if schedule.missed is MissedPolicy.SKIP and (is_superseded or late > timedelta(seconds=PUNCTUAL_S)):
        return FiringOutcome.SKIPPED, f"{lateness}; the policy is skip"
    if schedule.missed is MissedPolicy.LATEST and is_superseded:
        return FiringOutcome.MISSED, f"{lateness}, and a newer due time has come; the policy is latest"
    if late > timedelta(hours=schedule.max_late_h):
        return FiringOutcome.MISSED, f"{lateness}; due times of at most {schedule.max_late_h} h late still fire"
    return FiringOutcome.FIRED, ""


#: Per owner. One page shows all of them, and one process fires all of them within a second.
MAX_SCHEDULES = 100
#: How many old firings of each schedule are deleted at once.
PRUNE_STEP = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """The decision on one due time.

    Attributes:
        firing: the firing to record; with a job, the ledger sets its outcome.
        next_at: the schedule's next due time.
        draft: the job to admit, and its terms; None if no job is submitted.

    """

    firing: Firing
    next_at: datetime | None
    draft: tuple[Job, Terms] | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """The recorded firing, and the job that the ledger admitted for it."""

    firing: Firing
    admission: Admission | None = None


#: Decides on a due schedule, given the schedule and the store's time. It must not block.
type TakeTurn = Callable[[Schedule, datetime], Turn]
#: Returns whether a job that is unfinished in the ledger has ended, and updates the ledger.
type HasEnded = Callable[[Job], Awaitable[bool]]
#: Returns a changed schedule, given the schedule and the store's time.
type Edit = Callable[[Schedule, datetime], Schedule]


class ScheduleStore(Protocol):
    """The schedules. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    With an owner and an id they raise NotFound if the schedule does not exist, or belongs to another owner.
    """

    async def add(self, schedule: Schedule) -> Schedule:
        """Save a new schedule; its next due time is computed from the store's time.

        Raises:
            Conflict: the owner has a schedule of this name, or has MAX_SCHEDULES schedules.

        """
        ...

    async def list_schedules(self, owner: str) -> list[Schedule]:
        """Return an owner's schedules by name."""
        ...

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        """Return a schedule."""
        ...

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        """Change a schedule; no firing of it runs at the same time.

        Raises:
            Conflict: the owner has another schedule of the new name.

        """
        ...

    async def delete(self, owner: str, schedule_id: str) -> None:
        """Delete a schedule and its history; its jobs stay."""
        ...

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        """Fire the schedule that has been due longest once; return None if none is due.

        The firing, its job and the schedule's next due time are saved in one transaction, and each due time only once,
        even with concurrent callers. A schedule that another caller is firing is skipped.
        """
        ...

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        """Fire a schedule once, even if it is not due or not enabled."""
        ...

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        """Return a schedule's firings, newest due time first."""
        ...

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        """Return the newest firing of each of an owner's schedules, by schedule id."""
        ...

    async def prune(self, *, days: int) -> int:
        """Drop the oldest firings of each schedule that were due more than `days` days ago; return how many.

        A call drops at most `PRUNE_STEP` firings of each schedule. Concurrent calls drop different firings.
        """
        ...


def default_schedule() -> Schedule:
    """Return the daily ingest: 65 minutes after each close, when providers have the bars of the day.

    The first migration inserts the same schedule once.
    """
    return Schedule(
        schedule_id=uuid4().hex,
        owner=DEFAULT_OWNER,
        name="daily ingest",
        task="ingest.run_daily",
        request={"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000},
        timing=Timing(TimingKind.SESSION, "16:35"),
        is_enabled=False,
    )
