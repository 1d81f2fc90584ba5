"""Open the schedules of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.database import Database, name_taken, too_many
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.opening import open_history
from kaboom.jobs.postgres.port import Admission, Admitted, JobHistory
from kaboom.schedules.model import (
    MAX_SCHEDULES,
    PRUNE_STEP,
    Edit,
    Fired,
    Firing,
    HasEnded,
    Schedule,
    ScheduleStore,
    TakeTurn,
    Turn,
    default_schedule,
)


def open_schedules(database: Database) -> ScheduleStore:
    """Return the schedules of a database."""
    if database.engine is None:
        return MemoryScheduleStore(database.open(open_history), schedules=[default_schedule()])
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.schedules.postgres import PostgresScheduleStore  # noqa: PLC0415

    return PostgresScheduleStore(database.engine)


class MemoryScheduleStore:
    """`ScheduleStore` in memory, beside the ledger that admits its jobs."""

    def __init__(self, history: JobHistory, *, schedules: Iterable[Schedule] = (), clock: Clock = utc_now) -> None:
        self._history = history
        self._clock = clock
        self._schedules = {s.schedule_id: replace(s, created_at=clock(), updated_at=clock()) for s in schedules}
        self._firings: dict[str, dict[datetime, Firing]] = {}
        #: Schedules that are being fired; in PostgreSQL a row lock holds them.
        self._held: set[str] = set()

    async def add(self, schedule: Schedule) -> Schedule:
        if sum(s.owner == schedule.owner for s in self._schedules.values()) >= MAX_SCHEDULES:
            raise Conflict(too_many("schedules", MAX_SCHEDULES))
        self._check_name(schedule)
        now = self._clock()
        kept = replace(schedule.rearmed(now), created_at=now, updated_at=now)
        self._schedules[kept.schedule_id] = kept
        return kept

    async def list_schedules(self, owner: str) -> list[Schedule]:
        return sorted((s for s in self._schedules.values() if s.owner == owner), key=lambda s: s.name)

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        found = self._schedules.get(schedule_id)
        if found is None or found.owner != owner:
            raise NotFound.of_id("schedule", schedule_id)
        return found

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        now = self._clock()
        changed = replace(edit(await self.load(owner, schedule_id), now), updated_at=now)
        self._check_name(changed)
        self._schedules[schedule_id] = changed
        return changed

    async def delete(self, owner: str, schedule_id: str) -> None:
        await self.load(owner, schedule_id)
        del self._schedules[schedule_id]
        self._firings.pop(schedule_id, None)

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        now = self._clock()
        due = [
            (s.next_at, s.schedule_id)
            for s in self._schedules.values()
            if s.is_enabled and s.next_at and s.next_at <= now and s.schedule_id not in self._held
        ]
        if not due:
            return None
        return await self._fire(self._schedules[min(due)[1]], take_turn, has_ended)

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        return await self._fire(await self.load(owner, schedule_id), take_turn, has_ended)

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        kept = self._firings.get(schedule_id, {})
        return [kept[due_at] for due_at in sorted(kept, reverse=True)[:limit]]

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        mine = {s.schedule_id for s in self._schedules.values() if s.owner == owner}
        return {i: firings[max(firings)] for i, firings in self._firings.items() if i in mine and firings}

    async def prune(self, *, days: int) -> int:
        limit, dropped = self._clock() - timedelta(days=days), 0
        for firings in self._firings.values():
            for due_at in sorted(due_at for due_at in firings if due_at < limit)[:PRUNE_STEP]:
                del firings[due_at]
                dropped += 1
        return dropped

    async def _fire(self, schedule: Schedule, take_turn: TakeTurn, has_ended: HasEnded) -> Fired:
        turn = take_turn(schedule, self._clock())
        self._held.add(schedule.schedule_id)
        try:
            admission = await self._admit(turn, has_ended)
        finally:
            self._held.discard(schedule.schedule_id)
        firing = turn.firing.with_job(admission) if admission else turn.firing
        self._firings.setdefault(schedule.schedule_id, {}).setdefault(firing.due_at, firing)
        kept = replace(schedule, next_at=turn.next_at)
        if admission:
            kept = replace(kept, last_at=firing.due_at, last_job_id=firing.job_id)
        self._schedules[schedule.schedule_id] = kept
        return Fired(firing, admission)

    async def _admit(self, turn: Turn, has_ended: HasEnded) -> Admission | None:
        if turn.draft is None or turn.firing.due_at in self._firings.get(turn.firing.schedule_id, {}):
            return None
        admission = await self._history.admit(*turn.draft)
        if admission.how is Admitted.JOINED and await has_ended(admission.job):
            admission = await self._history.admit(*turn.draft)
        return admission

    def _check_name(self, schedule: Schedule) -> None:
        named = (s for s in self._schedules.values() if (s.owner, s.name) == (schedule.owner, schedule.name))
        if any(s.schedule_id != schedule.schedule_id for s in named):
            raise Conflict(name_taken("schedule", schedule.name))
