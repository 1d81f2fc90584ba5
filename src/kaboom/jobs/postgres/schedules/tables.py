"""The tables of schedules and their firings; `src/kaboom/migrations` creates them."""

from typing import Any

from sqlalchemy import Boolean, Column, DateTime, ForeignKey, Index, Integer, Row, Table, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import func

from kaboom.jobs.postgres.schedules.model import Firing, FiringOutcome, MissedPolicy, Schedule
from kaboom.jobs.postgres.schedules.timing import Timing, TimingKind
from kaboom.jobs.postgres.tables import METADATA, texts

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
