"""Paper portfolios: which strategy a portfolio follows, and what is known after each session."""

from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE paper_books (
        portfolio_id text PRIMARY KEY REFERENCES portfolios (portfolio_id) ON DELETE CASCADE,
        owner text NOT NULL,
        terms jsonb NOT NULL,
        started_on date NOT NULL,
        cash double precision NOT NULL,
        created_at timestamptz NOT NULL DEFAULT clock_timestamp()
    )
    """,
    """
    CREATE TABLE paper_sessions (
        portfolio_id text NOT NULL REFERENCES paper_books (portfolio_id) ON DELETE CASCADE,
        session date NOT NULL,
        equity double precision NOT NULL,
        backtest_equity double precision NOT NULL,
        fills integer NOT NULL,
        waiting jsonb NOT NULL,
        orders jsonb NOT NULL,
        booked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (portfolio_id, session)
    )
    """,
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE paper_sessions")
    op.execute("DROP TABLE paper_books")
