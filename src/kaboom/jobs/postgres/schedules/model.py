"""Schedules and their firings, and the decision whether a due time fires."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from kaboom.jobs.postgres.port import Admission, Admitted
from kaboom.jobs.postgres.schedules.timing import Timing, TimingKind, next_due
from kaboom.market.calendar import JST

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
