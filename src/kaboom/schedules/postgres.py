"""The schedules in PostgreSQL, in the database of the ledger; `src/kaboom/migrations` creates the tables."""

from typing import Any, Never

from sqlalchemy import (
    Boolean,
    Column,
    ColumnElement,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Row,
    Select,
    Table,
    Text,
    UniqueConstraint,
    func,
    select,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.database import name_taken, too_many
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.admission import admit
from kaboom.jobs.postgres.port import Admission, Admitted
from kaboom.schedules.model import (
    MAX_SCHEDULES,
    PRUNE_STEP,
    Edit,
    Fired,
    Firing,
    FiringOutcome,
    HasEnded,
    MissedPolicy,
    Schedule,
    TakeTurn,
    Turn,
)
from kaboom.schedules.timing import Timing, TimingKind

SCHEDULES = Table(
    "schedules",
    METADATA,
    Column("schedule_id", Text, primary_key=True),
    *texts("owner", "name", "task"),
    Column("request", JSONB, nullable=False),
    *texts("kind", "timing", "missed"),
    Column("max_late_h", Integer, nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("next_at", DateTime(timezone=True)),
    Column("last_at", DateTime(timezone=True)),
    Column("last_job_id", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    UniqueConstraint("owner", "name", name="schedules_name"),
    Index("schedules_due", "next_at", postgresql_where=text("is_enabled")),
)

FIRINGS = Table(
    "schedule_firings",
    METADATA,
    Column("schedule_id", Text, ForeignKey("schedules.schedule_id", ondelete="CASCADE"), primary_key=True),
    Column("due_at", DateTime(timezone=True), primary_key=True),
    Column("outcome", Text, nullable=False),
    Column("fired_at", DateTime(timezone=True), nullable=False),
    Column("job_id", Text),
    Column("is_manual", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
)

_SAME = ("schedule_id", "owner", "name", "task", "max_late_h", "is_enabled", "next_at", "last_at", "last_job_id")


def dump_schedule(schedule: Schedule) -> dict[str, Any]:
    """Return a schedule as the columns that its owner and its firings set."""
    values = {name: getattr(schedule, name) for name in _SAME}
    return values | {
        "request": dict(schedule.request),
        "kind": schedule.timing.kind.value,
        "timing": schedule.timing.text,
        "missed": schedule.missed.value,
    }


def parse_schedule(row: Row[Any]) -> Schedule:
    """Return the schedule that a row holds."""
    return Schedule(
        **{name: getattr(row, name) for name in (*_SAME, "request", "created_at", "updated_at")},
        timing=Timing(TimingKind(row.kind), row.timing),
        missed=MissedPolicy(row.missed),
    )


def dump_firing(firing: Firing) -> dict[str, Any]:
    """Return a firing as columns."""
    values = {column.name: getattr(firing, column.name) for column in FIRINGS.c}
    return values | {"outcome": firing.outcome.value}


def parse_firing(row: Row[Any]) -> Firing:
    """Return the firing that a row holds."""
    values = {column.name: getattr(row, column.name) for column in FIRINGS.c}
    return Firing(**(values | {"outcome": FiringOutcome(row.outcome)}))


#: A process that is frozen during a firing loses its lock after this long, and its firing is rolled back.
#: Longer than the only wait of a firing, which is for Redis and ends after 7 s.
_HOLD_S = 15.0
# One schedule at a time, so that the primary key gives the oldest firings; concurrent prunes take different firings.
_PRUNE = text("""
DELETE FROM schedule_firings AS f USING schedules AS s, LATERAL (
    SELECT schedule_id, due_at FROM schedule_firings
    WHERE schedule_id = s.schedule_id AND due_at < clock_timestamp() - make_interval(days => :days)
    ORDER BY due_at LIMIT :step FOR UPDATE SKIP LOCKED
) AS old
WHERE f.schedule_id = old.schedule_id AND f.due_at = old.due_at
""")


class PostgresScheduleStore:
    """`ScheduleStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine, *, hold_s: float = _HOLD_S) -> None:
        self._engine = engine
        self._statements = Statements(engine)
        self._hold_ms = str(round(hold_s * 1000))

    async def add(self, schedule: Schedule) -> Schedule:
        count = select(func.count()).where(SCHEDULES.c.owner == schedule.owner)
        async with open_transaction(self._engine, conflict=name_taken("schedule", schedule.name)) as connection:
            if (await connection.execute(count)).scalar_one() >= MAX_SCHEDULES:
                raise Conflict(too_many("schedules", MAX_SCHEDULES))
            now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
            values = dump_schedule(schedule.rearmed(now)) | {"created_at": now, "updated_at": now}
            new = insert(SCHEDULES).values(values).returning(SCHEDULES)
            return parse_schedule((await connection.execute(new)).one())

    async def list_schedules(self, owner: str) -> list[Schedule]:
        # Sort like Python, by code points, whatever the collation of the database.
        by_name = SCHEDULES.c.name.collate("C")
        statement = select(SCHEDULES).where(SCHEDULES.c.owner == owner).order_by(by_name)
        return [parse_schedule(row) for row in await self._statements.fetch(statement)]

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        rows = await self._statements.fetch(select(SCHEDULES).where(*_is(owner, schedule_id)))
        return parse_schedule(rows[0]) if rows else _miss(schedule_id)

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        async with open_transaction(self._engine) as connection:
            row = (await connection.execute(self._lock().where(*_is(owner, schedule_id)))).one_or_none()
            if row is None:
                _miss(schedule_id)
            changed = edit(parse_schedule(row), row.now)
            values = dump_schedule(changed) | {"updated_at": func.clock_timestamp()}
            update = SCHEDULES.update().where(*_is(owner, schedule_id)).values(values).returning(SCHEDULES)
            try:
                return parse_schedule((await connection.execute(update)).one())
            except IntegrityError as e:
                raise Conflict(name_taken("schedule", changed.name)) from e

    async def delete(self, owner: str, schedule_id: str) -> None:
        if not await self._statements.execute(SCHEDULES.delete().where(*_is(owner, schedule_id))):
            _miss(schedule_id)

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        is_due = (SCHEDULES.c.is_enabled, SCHEDULES.c.next_at <= func.clock_timestamp())
        due = self._lock(skip_locked=True).where(*is_due).order_by(SCHEDULES.c.next_at).limit(1)
        return await self._fire(due, take_turn, has_ended)

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        one = self._lock().where(*_is(owner, schedule_id))
        return await self._fire(one, take_turn, has_ended) or _miss(schedule_id)

    async def prune(self, *, days: int) -> int:
        return await self._statements.execute(_PRUNE, {"days": days, "step": PRUNE_STEP})

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        statement = select(FIRINGS).where(FIRINGS.c.schedule_id == schedule_id)
        statement = statement.order_by(FIRINGS.c.due_at.desc()).limit(limit)
        return [parse_firing(row) for row in await self._statements.fetch(statement)]

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        newest = select(FIRINGS).where(FIRINGS.c.schedule_id == SCHEDULES.c.schedule_id)
        # This costs one look-up in the primary key for each schedule.
        newest_of = newest.order_by(FIRINGS.c.due_at.desc()).limit(1).lateral()
        statement = select(newest_of).select_from(SCHEDULES.join(newest_of, true())).where(SCHEDULES.c.owner == owner)
        return {row.schedule_id: parse_firing(row) for row in await self._statements.fetch(statement)}

    def _lock(self, *, skip_locked: bool = False) -> Select[Any]:
        """Return the query that locks a row, returns the time, and limits how long an idle client holds the lock."""
        bound = func.set_config("idle_in_transaction_session_timeout", self._hold_ms, True)  # noqa: FBT003  is_local
        now = func.clock_timestamp().label("now")
        return select(SCHEDULES, now, bound).with_for_update(skip_locked=skip_locked)

    async def _fire(self, which: Select[Any], take_turn: TakeTurn, has_ended: HasEnded) -> Fired | None:
        async with open_transaction(self._engine) as connection:
            row = (await connection.execute(which)).one_or_none()
            if row is None:
                return None
            schedule = parse_schedule(row)
            turn = take_turn(schedule, row.now)
            admission = await _admit(connection, turn, has_ended)
            firing = turn.firing.with_job(admission) if admission else turn.firing
            await connection.execute(insert(FIRINGS).values(dump_firing(firing)).on_conflict_do_nothing())
            values: dict[str, Any] = {"next_at": turn.next_at}
            if admission:
                values |= {"last_at": firing.due_at, "last_job_id": firing.job_id}
            mine = SCHEDULES.c.schedule_id == schedule.schedule_id
            await connection.execute(SCHEDULES.update().where(mine).values(values))
        return Fired(firing, admission)


async def _admit(connection: AsyncConnection, turn: Turn, has_ended: HasEnded) -> Admission | None:
    """Admit the job of a turn, unless its due time has fired before; a change may set a schedule back to it."""
    firing = turn.firing
    if turn.draft is None:
        return None
    earlier = select(FIRINGS.c.due_at).where(
        FIRINGS.c.schedule_id == firing.schedule_id, FIRINGS.c.due_at == firing.due_at
    )
    if (await connection.execute(earlier)).first():
        return None
    admission = await admit(connection, *turn.draft)
    if admission.how is Admitted.JOINED and await has_ended(admission.job):
        # Another connection has saved the end in the ledger, and the next statement sees it.
        admission = await admit(connection, *turn.draft)
    return admission


def _is(owner: str, schedule_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return SCHEDULES.c.owner == owner, SCHEDULES.c.schedule_id == schedule_id


def _miss(schedule_id: str) -> Never:
    raise NotFound.of_id("schedule", schedule_id)
