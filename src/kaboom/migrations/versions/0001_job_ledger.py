"""The job ledger: jobs and their chunks."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    counters = ("total", "done", "failed", "cancelled", "written", "chunks_total", "chunks_done", "dead")
    op.create_table(
        "jobs",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("task", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("request", postgresql.JSONB, nullable=False),
        sa.Column("plan", postgresql.JSONB),
        sa.Column("parent_id", sa.Text),
        sa.Column("attempt", sa.Integer, nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("started_at", sa.DateTime(timezone=True)),
        sa.Column("completed_at", sa.DateTime(timezone=True)),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in counters),
        sa.Column("rows", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("rate", sa.Float),
        sa.Column("outcomes", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("counts", postgresql.JSONB, nullable=False, server_default="{}"),
        sa.Column("error", postgresql.JSONB),
    )
    op.create_index("jobs_newest", "jobs", ["queue", "requested_at", "job_id"])
    op.create_index("jobs_by_status", "jobs", ["queue", "status", "requested_at"])
    op.create_index("jobs_by_completion", "jobs", ["queue", "completed_at"])
    op.create_table(
        "job_chunks",
        sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("n", sa.Integer, primary_key=True),
        sa.Column("items", postgresql.JSONB, nullable=False),
        sa.Column("payload", postgresql.JSONB, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("tally", postgresql.JSONB, nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True)),
    )


def downgrade() -> None:
    op.drop_table("job_chunks")
    op.drop_table("jobs")
