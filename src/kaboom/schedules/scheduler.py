"""Fire schedules: each due time becomes exactly one job, even if the process that fires it dies.

Several processes may run this at once; the transaction that admits the job keeps it single (docs/decisions/0011).
"""

import asyncio
from datetime import datetime
from functools import partial
from uuid import uuid4

import structlog

from kaboom.errors import InvalidRequest, KaboomError
from kaboom.jobs.engine.lifecycle import Jobs, fingerprint
from kaboom.jobs.job_type import Catalog
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.market.calendar import closes_at, latest_closed_session
from kaboom.schedules.model import Fired, Firing, FiringOutcome, Schedule, ScheduleStore, Turn, judge_due_time
from kaboom.schedules.timing import next_due

TICK_S = 1.0

_log = structlog.get_logger(__name__)


class Scheduler:
    """Fires the schedules that are due; any long-running process may run it."""

    def __init__(self, jobs: Jobs, schedules: ScheduleStore) -> None:
        self._jobs = jobs
        self._schedules = schedules
        self._take_turn = partial(take_turn, catalog=jobs.parts.catalog)

    async def run(self) -> None:
        """Fire until cancelled; wait while a store is unavailable."""
        while True:
            try:
                await self.fire_due()
            except KaboomError as e:
                _log.warning("firing_failed", reason=e.message)
            except Exception:  # noqa: BLE001  ended here nothing would fire any more, and nobody would notice
                _log.exception("firing_crashed")
            await asyncio.sleep(TICK_S)

    async def fire_due(self) -> int:
        """Fire until nothing is due; return how many due times were handled."""
        count = 0
        while fired := await self._schedules.fire_due(self._take_turn, has_ended=self._jobs.has_just_ended):
            await self._announce(fired)
            count += 1
        return count

    async def fire_now(self, owner: str, schedule_id: str) -> Admission:
        """Submit a schedule's request now, due or not, enabled or not.

        Raises:
            NotFound: the schedule does not exist, or belongs to another owner.
            InvalidRequest: this version cannot run the schedule's request.
            StoreError: the ledger or Redis is unavailable; nothing was accepted.

        """
        parts, has_ended = self._jobs.parts, self._jobs.has_just_ended
        await parts.store.ping()
        turn = partial(take_manual_turn, catalog=parts.catalog)
        fired = await self._schedules.fire_now(owner, schedule_id, turn, has_ended=has_ended)
        await self._announce(fired)
        if fired.admission is None:
            raise InvalidRequest(fired.firing.reason)
        return fired.admission

    async def _announce(self, fired: Fired) -> None:
        """Log the firing, and send its job to Redis and the workers; if this process dies first, the reaper does."""
        firing = fired.firing
        words = {"schedule_id": firing.schedule_id, "due_at": firing.due_at.isoformat(), "job_id": firing.job_id}
        log = _log.info if firing.job_id else _log.warning
        log("schedule_fired", outcome=firing.outcome.value, reason=firing.reason, **words)
        if fired.admission and fired.admission.how is Admitted.NEW:
            await self._jobs.announce(fired.admission.job)


def take_turn(schedule: Schedule, now: datetime, catalog: Catalog) -> Turn:
    """Decide what to do for the due time of a schedule."""
    due_at = schedule.next_at or now
    try:
        outcome, reason = judge_due_time(schedule, due_at, now)
        next_at = next_due(schedule.timing, due_at)
    except InvalidRequest as e:
        # Another version or a person wrote this row; if it stayed due, it would block all other schedules.
        return Turn(_refuse(schedule, due_at, now, e.message), None)
    if outcome is not FiringOutcome.FIRED:
        return Turn(Firing(schedule.schedule_id, due_at, outcome, now, reason=reason), next_at)
    firing = Firing(schedule.schedule_id, due_at, outcome, now)
    return _submit(schedule, firing, due_at, catalog, next_at=next_at)


def take_manual_turn(schedule: Schedule, now: datetime, catalog: Catalog) -> Turn:
    """Decide what to do for a firing by hand; the due times stay the same."""
    # Use the latest closed session, so that the job joins the job of that day's firing if it still runs.
    closed_at = closes_at(latest_closed_session(now))
    firing = Firing(schedule.schedule_id, now, FiringOutcome.FIRED, now, is_manual=True)
    return _submit(schedule, firing, closed_at, catalog, next_at=schedule.next_at)


def _submit(
    schedule: Schedule, firing: Firing, due_at: datetime, catalog: Catalog, *, next_at: datetime | None
) -> Turn:
    try:
        job_type = catalog.get(schedule.task)
    except KeyError:
        reason = f"task was {schedule.task}, which this version does not have"
        return Turn(_refuse(schedule, firing.due_at, firing.fired_at, reason), next_at)
    request = schedule.request_at(due_at) if job_type.has_session else schedule.request
    job = Job(uuid4().hex, job_type.queue.value, job_type.name, schedule.owner, request)
    return Turn(firing, next_at, draft=(job, Terms(fingerprint(job_type, request), may_join=True)))


def _refuse(schedule: Schedule, due_at: datetime, now: datetime, reason: str) -> Firing:
    return Firing(schedule.schedule_id, due_at, FiringOutcome.REFUSED, now, reason=reason)
