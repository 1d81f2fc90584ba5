"""Saved screens, and what passed them by session."""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE screens (
        screen_id text PRIMARY KEY,
        owner text NOT NULL,
        name text NOT NULL,
        expression text NOT NULL,
        provider text NOT NULL,
        market text,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        updated_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        CONSTRAINT screens_name UNIQUE (owner, name)
    )
    """,
    """
    CREATE TABLE screen_sessions (
        screen_id text NOT NULL REFERENCES screens ON DELETE CASCADE,
        session date NOT NULL,
        symbols jsonb NOT NULL,
        seen integer NOT NULL,
        unknown integer NOT NULL,
        computed_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (screen_id, session)
    )
    """,
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE screen_sessions")
    op.execute("DROP TABLE screens")
