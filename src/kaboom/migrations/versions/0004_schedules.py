"""Schedules and their firings, and the daily ingest, which is off until somebody enables it."""

import uuid

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    moment = sa.DateTime(timezone=True)
    schedules = op.create_table(
        "schedules",
        sa.Column("schedule_id", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("timing", sa.Text, nullable=False),
        sa.Column("missed", sa.Text, nullable=False),
        sa.Column("max_late_h", sa.Integer, nullable=False),
        sa.Column("is_enabled", sa.Boolean, nullable=False),
        sa.Column("next_at", moment),
        sa.Column("last_at", moment),
        sa.Column("last_job_id", sa.Text),
        sa.Column("created_at", moment, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("updated_at", moment, nullable=False, server_default=sa.func.clock_timestamp()),
        sa.UniqueConstraint("owner", "name", name="schedules_name"),
    )
    op.create_index("schedules_due", "schedules", ["next_at"], postgresql_where=sa.text("is_enabled"))
    op.create_table(
        "schedule_firings",
        sa.Column("schedule_id", sa.Text, sa.ForeignKey("schedules.schedule_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("due_at", moment, primary_key=True),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("fired_at", moment, nullable=False),
        sa.Column("job_id", sa.Text),
        sa.Column("is_manual", sa.Boolean, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    # Once: whoever deletes it does not get it back.
    daily = {
        "schedule_id": uuid.uuid4().hex,
        "owner": "ingest",
        "name": "daily ingest",
        "task": "ingest.run_daily",
        "request": {"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 5000},
        "kind": "session",
        "timing": "16:35",
        "missed": "latest",
        "max_late_h": 72,
        "is_enabled": False,
    }
    op.bulk_insert(schedules, [daily])


def downgrade() -> None:
    op.drop_table("schedule_firings")
    op.drop_table("schedules")
