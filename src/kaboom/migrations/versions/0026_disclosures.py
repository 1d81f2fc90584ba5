"""Statements and events of companies, each version with the moment from which on it is known."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE statements (
        provider text NOT NULL,
        symbol text NOT NULL,
        document text NOT NULL,
        known_at timestamptz NOT NULL,
        kind text NOT NULL,
        period text NOT NULL,
        period_end date,
        year_end date,
        forecast_year_end date,
        sales double precision,
        operating_profit double precision,
        ordinary_profit double precision,
        net_profit double precision,
        eps double precision,
        bps double precision,
        equity double precision,
        assets double precision,
        shares double precision,
        dividend double precision,
        forecast_sales double precision,
        forecast_operating_profit double precision,
        forecast_net_profit double precision,
        forecast_eps double precision,
        forecast_dividend double precision,
        disclosed_at timestamptz NOT NULL,
        noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (provider, symbol, document, known_at)
    )
    """,
    "CREATE INDEX statements_known ON statements (provider, known_at)",
    """
    CREATE TABLE company_events (
        provider text NOT NULL,
        symbol text NOT NULL,
        document text NOT NULL,
        known_at timestamptz NOT NULL,
        kind text NOT NULL,
        subject text NOT NULL,
        period text NOT NULL,
        day date,
        amount double precision,
        is_forecast boolean NOT NULL,
        is_withdrawn boolean NOT NULL,
        disclosed_at timestamptz NOT NULL,
        noted_at timestamptz NOT NULL DEFAULT clock_timestamp(),
        PRIMARY KEY (provider, symbol, document, known_at)
    )
    """,
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    op.execute("DROP TABLE company_events")
    op.execute("DROP TABLE statements")
