"""When the breaker of models opened, and indexes of calls by content and by age."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("ai_breakers", sa.Column("opened_at", sa.DateTime(timezone=True)))
    # A call without an answer is looked for, too: it may have been paid.
    op.create_index("ai_calls_by_key", "ai_calls", ["key"])
    op.create_index("ai_calls_by_age", "ai_calls", ["created_at"])


def downgrade() -> None:
    op.drop_index("ai_calls_by_age", "ai_calls")
    op.drop_index("ai_calls_by_key", "ai_calls")
    op.drop_column("ai_breakers", "opened_at")
