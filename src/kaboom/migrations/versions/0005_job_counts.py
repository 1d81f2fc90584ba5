"""How many jobs are in each state, kept by triggers: statistics do not count the history again each time."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_COUNT = "INSERT INTO job_counts SELECT queue, status, {} FROM {} GROUP BY queue, status;"
_FUNCTIONS = {
    "insert": _COUNT.format("count(*)", "new_jobs"),
    "delete": _COUNT.format("-count(*)", "old_jobs"),
    "update": _COUNT.format(
        "sum(n)",
        "(SELECT queue, status, 1 AS n FROM new_jobs UNION ALL SELECT queue, status, -1 FROM old_jobs) AS changed",
    ).replace("GROUP BY queue, status", "GROUP BY queue, status HAVING sum(n) <> 0"),
    "truncate": "DELETE FROM job_counts;",
}
_SEEN = {
    "insert": "REFERENCING NEW TABLE AS new_jobs",
    "delete": "REFERENCING OLD TABLE AS old_jobs",
    "update": "REFERENCING OLD TABLE AS old_jobs NEW TABLE AS new_jobs",
    "truncate": "",
}


def upgrade() -> None:
    # Changes are only ever added, so that no two transactions wait for the same row; a reader takes their sum.
    op.create_table(
        "job_counts",
        sa.Column("queue", sa.Text, nullable=False),
        sa.Column("status", sa.Text, nullable=False),
        sa.Column("jobs", sa.BigInteger, nullable=False),
    )
    for event, body in _FUNCTIONS.items():
        op.execute(
            f"CREATE FUNCTION count_jobs_{event}() RETURNS trigger LANGUAGE plpgsql AS"
            f" $$ BEGIN {body} RETURN NULL; END $$"
        )
        op.execute(
            f"CREATE TRIGGER count_jobs_{event} AFTER {event.upper()} ON jobs {_SEEN[event]}"
            f" FOR EACH STATEMENT EXECUTE FUNCTION count_jobs_{event}()"
        )
    op.execute("INSERT INTO job_counts SELECT queue, status, count(*) FROM jobs GROUP BY queue, status")


def downgrade() -> None:
    for event in _FUNCTIONS:
        op.execute(f"DROP TRIGGER count_jobs_{event} ON jobs")
        op.execute(f"DROP FUNCTION count_jobs_{event}()")
    op.drop_table("job_counts")
