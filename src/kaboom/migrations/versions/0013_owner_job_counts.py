"""How many jobs of each owner are in each state, kept by triggers as the counts over all owners are."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0010"
branch_labels = None
depends_on = None

_COUNT = "INSERT INTO owner_job_counts SELECT owner, queue, status, {} FROM {} GROUP BY 1, 2, 3{};"
_CHANGED = (
    "(SELECT owner, queue, status, 1 AS n FROM new_jobs"
    " UNION ALL SELECT owner, queue, status, -1 FROM old_jobs) AS changed"
)
_FUNCTIONS = {
    "insert": _COUNT.format("count(*)", "new_jobs", ""),
    "delete": _COUNT.format("-count(*)", "old_jobs", ""),
    "update": _COUNT.format("sum(n)", _CHANGED, " HAVING sum(n) <> 0"),
    "truncate": "DELETE FROM owner_job_counts;",
}
_SEEN = {
    "insert": "REFERENCING NEW TABLE AS new_jobs",
    "delete": "REFERENCING OLD TABLE AS old_jobs",
    "update": "REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs",
    "truncate": "",
}


def upgrade() -> None:
    # The release before reads and sums up job_counts, so it stays until a later release; this one reads the new table.
    op.create_table(
        "owner_job_counts",
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("jobs", sa.BigInteger, nullable=False),
    )
    for event, body in _FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION count_owner_jobs_{event}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER count_owner_jobs_{event} AFTER {event.upper()} ON jobs {_SEEN[event]}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION count_owner_jobs_{event}()"
        )
    op.execute("INSERT INTO owner_job_counts SELECT owner, queue, status, count(*) FROM jobs GROUP BY 1, 2, 3")


def downgrade() -> None:
    for event in _FUNCTIONS:
        op.execute(f"DROP TRIGGER count_owner_jobs_{event} ON jobs")
        op.execute(f"DROP FUNCTION count_owner_jobs_{event}()")
    op.drop_table("owner_job_counts")
