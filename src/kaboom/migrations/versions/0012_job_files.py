"""Files that jobs leave behind, such as the report of a backtest: kept with the job, and dropped with it."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "job_files",
        sa.Column("job_id", sa.Text, sa.ForeignKey("jobs.job_id", ondelete="CASCADE"), primary_key=True),
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("body", sa.LargeBinary, nullable=False),
    )
    # They are compressed already.
    op.execute("ALTER TABLE job_files ALTER body SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("job_files")
