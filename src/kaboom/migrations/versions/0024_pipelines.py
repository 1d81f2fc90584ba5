"""Pipelines and their runs."""

from alembic import op

revision = "0024"
down_revision = "0022"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE pipelines (
        pipeline_id text PRIMARY KEY,
        owner text NOT NULL,
        name text NOT NULL,
        steps jsonb NOT NULL,
        on_task text,
        on_statuses jsonb NOT NULL,
        on_where jsonb NOT NULL,
        at_once integer NOT NULL,
        watch_from timestamptz NOT NULL DEFAULT clock_timestamp(),
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT pipelines_name UNIQUE (owner, name)
    )
    """,
    """
    CREATE TABLE pipeline_runs (
        run_id text PRIMARY KEY,
        pipeline_id text NOT NULL REFERENCES pipelines ON DELETE CASCADE,
        pipeline text NOT NULL,
        owner text NOT NULL,
        session date NOT NULL,
        n integer NOT NULL,
        status text NOT NULL,
        started_by text NOT NULL,
        steps jsonb NOT NULL,
        states jsonb NOT NULL,
        open_jobs jsonb NOT NULL DEFAULT '[]',
        trigger_job_id text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        started_at timestamptz,
        ended_at timestamptz,
        CONSTRAINT pipeline_runs_once UNIQUE (pipeline_id, session, n)
    )
    """,
    "CREATE INDEX pipeline_runs_open ON pipeline_runs (pipeline_id, session) WHERE ended_at IS NULL",
    "CREATE INDEX pipeline_runs_ended ON pipeline_runs (ended_at) WHERE ended_at IS NOT NULL",
    "CREATE INDEX pipeline_runs_newest ON pipeline_runs (owner, session)",
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE pipeline_runs")
    op.execute("DROP TABLE pipelines")
