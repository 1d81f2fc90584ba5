"""What is spent on models: budgets, calls with their answers, and the breaker."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ai_spending",
        sa.Column("scope", sa.Text, primary_key=True),
        sa.Column("used", sa.BigInteger, nullable=False, server_default="0"),
    )
    op.create_table(
        "ai_calls",
        sa.Column("call_id", sa.Text, primary_key=True),
        sa.Column("key", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("day", sa.Date, nullable=False),
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("prompt_version", sa.Text, nullable=False),
        sa.Column("reserved", sa.BigInteger, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("prompt_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("completion_tokens", sa.Integer, nullable=False, server_default="0"),
        sa.Column("latency_ms", sa.Integer, nullable=False, server_default="0"),
        sa.Column("answer", sa.Text),
        sa.Column("reason", sa.Text, nullable=False, server_default=""),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.clock_timestamp()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True)),
    )
    kept = sa.text("answer IS NOT NULL OR settled_at IS NULL")
    op.create_index("ai_calls_kept", "ai_calls", ["key"], postgresql_where=kept)
    op.create_index("ai_calls_by_job", "ai_calls", ["job_id"])
    op.create_table(
        "ai_breakers",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=False),
    )


def downgrade() -> None:
    op.drop_table("ai_breakers")
    op.drop_table("ai_calls")
    op.drop_table("ai_spending")
