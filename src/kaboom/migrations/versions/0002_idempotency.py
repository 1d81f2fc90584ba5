"""Idempotency keys, and one unfinished job for each request that may be joined."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("overlap_key", sa.Text))
    op.create_index(
        "jobs_overlap",
        "jobs",
        ["owner", "overlap_key"],
        unique=True,
        postgresql_where=sa.text("overlap_key IS NOT NULL AND status IN ('queued', 'running')"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("owner", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        sa.Column("fingerprint", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
    )
    op.create_index("idempotency_keys_age", "idempotency_keys", ["created_at"])


def downgrade() -> None:
    op.drop_table("idempotency_keys")
    op.drop_index("jobs_overlap", "jobs")
    op.drop_column("jobs", "overlap_key")
