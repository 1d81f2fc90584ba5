"""The tables of the job ledger, and jobs as rows; `src/kaboom/migrations` creates the tables."""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Row,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.sql import func

from kaboom.drivers.postgres.engine import METADATA, texts
from kaboom.jobs.model import Job, JobStatus

JOBS = Table(
    "jobs",
    METADATA,
    Column("job_id", Text, primary_key=True),
    *texts("queue", "task", "owner", "status"),
    Column("request", JSONB, nullable=False),
    Column("plan", JSONB),
    Column("result", JSONB),
    Column("parent_id", Text),
    Column("attempt", Integer, nullable=False),
    Column("requested_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("started_at", DateTime(timezone=True)),
    Column("completed_at", DateTime(timezone=True)),
    *(
        Column(name, Integer, nullable=False, server_default="0")
        for name in ("total", "done", "failed", "cancelled", "written", "chunks_total", "chunks_done", "dead")
    ),
    Column("rows", BigInteger, nullable=False, server_default="0"),
    Column("rate", Float),
    Column("outcomes", JSONB, nullable=False, server_default="{}"),
    Column("counts", JSONB, nullable=False, server_default="{}"),
    Column("error", JSONB),
    # Set if another submission of the same request may join the job while it is unfinished.
    Column("overlap_key", Text),
    Index("jobs_newest", "queue", "requested_at", "job_id"),
    Index("jobs_by_status", "queue", "status", "requested_at"),
    Index("jobs_by_completion", "queue", "completed_at"),
    Index("jobs_children", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
    Index(
        "jobs_overlap",
        "owner",
        "overlap_key",
        unique=True,
        postgresql_where=text("overlap_key IS NOT NULL AND status IN ('queued', 'running')"),
    ),
)

IDEMPOTENCY_KEYS = Table(
    "idempotency_keys",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    *texts("fingerprint", "job_id"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("idempotency_keys_age", "created_at"),
)

API_KEYS = Table(
    "api_keys",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("key", LargeBinary, nullable=False),
)

JOB_CHUNKS = Table(
    "job_chunks",
    METADATA,
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("items", JSONB, nullable=False),
    Column("payload", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("tally", JSONB, nullable=False),
    Column("ended_at", DateTime(timezone=True)),
    Column("runs", JSONB, nullable=False, server_default="[]"),
    Index("job_chunks_dead", "ended_at", "job_id", "n", postgresql_where=text("state = 'dead'")),
)

JOB_FILES = Table(
    "job_files",
    METADATA,
    Column("job_id", Text, ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("body", LargeBinary, nullable=False),
)

# No foreign key: a job may be deleted before its end has been delivered.
WEBHOOK_DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("delivery_id", Text, primary_key=True),
    Column("place", BigInteger, Identity(always=True), nullable=False, unique=True),
    *texts("job_id", "owner", "url", "host", "status"),
    # Text, not JSON: the signature is over the exact bytes.
    Column("body", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_status", Integer),
    Column("last_error", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("next_attempt_at", DateTime(timezone=True)),
    Column("ended_at", DateTime(timezone=True)),
    UniqueConstraint("job_id", "url", name="webhook_deliveries_once"),
    Index("webhook_deliveries_due", "next_attempt_at", postgresql_where=text("status = 'pending'")),
    Index("webhook_deliveries_newest", "owner", "place"),
    Index("webhook_deliveries_ended", "ended_at", postgresql_where=text("ended_at IS NOT NULL")),
)


def dump_job(job: Job, *, overlap_key: str | None) -> dict[str, Any]:
    """Return the row of a new job, which others with its `overlap_key` join; the other columns have defaults."""
    names = ("job_id", "queue", "task", "owner", "status", "parent_id", "attempt")
    return {name: getattr(job, name) for name in names} | {"request": dict(job.request), "overlap_key": overlap_key}


def parse_job(row: Row[Any]) -> Job:
    """Return the job that a row of `jobs` holds."""
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    del values["overlap_key"]
    values.pop("version", None)
    return Job(**(values | {"status": JobStatus(row.status)}))
