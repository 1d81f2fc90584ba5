"""Finding the chunks that were given up, and the retries of a job, without reading all of them."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "job_chunks_dead", "job_chunks", ["ended_at", "job_id", "n"], postgresql_where=sa.text("state = 'dead'")
    )
    op.create_index("jobs_children", "jobs", ["parent_id"], postgresql_where=sa.text("parent_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("jobs_children", "jobs")
    op.drop_index("job_chunks_dead", "job_chunks")
