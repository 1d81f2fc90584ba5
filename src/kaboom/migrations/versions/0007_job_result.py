"""The result of a job without chunks, apart from its plan."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("jobs", sa.Column("result", postgresql.JSONB))


def downgrade() -> None:
    op.drop_column("jobs", "result")
