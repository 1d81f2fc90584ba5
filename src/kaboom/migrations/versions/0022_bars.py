"""Bars, their history, what providers were asked, rejected rows and corporate actions, for the PostgreSQL bar store."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None

_TABLES = (
    """
    CREATE TABLE bar_series (
        id smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
        source text NOT NULL,
        interval text NOT NULL,
        history_from bigint NOT NULL DEFAULT 0,
        UNIQUE (source, interval)
    )
    """,
    """
    CREATE TABLE bar_symbol (
        series smallint NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        PRIMARY KEY (series, symbol)
    )
    """,
    # A partition holds a year of a series of minutes, or all daily bars of a series: the store makes it.
    """
    CREATE TABLE bar_page (
        series smallint NOT NULL,
        bucket integer NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        n integer NOT NULL,
        first_ts bigint NOT NULL,
        last_ts bigint NOT NULL,
        o double precision NOT NULL,
        h double precision NOT NULL,
        l double precision NOT NULL,
        c double precision NOT NULL,
        v bigint NOT NULL,
        last_flags integer NOT NULL,
        newest_sum integer NOT NULL,
        flags integer NOT NULL,
        flagged integer NOT NULL,
        cover_sum integer NOT NULL,
        data bytea STORAGE EXTERNAL NOT NULL,
        since bigint NOT NULL,
        moved bigint NOT NULL,
        grown bytea,
        PRIMARY KEY (series, bucket, symbol) INCLUDE (n, first_ts, last_ts, flagged, flags, cover_sum)
    ) PARTITION BY RANGE (series, bucket)
    """,
    "CREATE INDEX bar_page_by_symbol ON bar_page (series, symbol, bucket)",
    """
    CREATE TABLE bar_replaced (
        series smallint NOT NULL,
        bucket integer NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        at bigint NOT NULL,
        data bytea STORAGE EXTERNAL NOT NULL,
        PRIMARY KEY (series, bucket, symbol, at)
    )
    """,
    """
    CREATE TABLE bar_fetch (
        series smallint NOT NULL,
        last integer NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        first integer NOT NULL,
        bars bigint NOT NULL,
        at bigint NOT NULL,
        PRIMARY KEY (series, last, symbol, first)
    )
    """,
    """
    CREATE TABLE bar_quarantine (
        series smallint NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        opened_at bigint NOT NULL,
        reason text COLLATE "C" NOT NULL,
        open double precision,
        high double precision,
        low double precision,
        close double precision,
        volume double precision,
        file text,
        line bigint,
        PRIMARY KEY (series, symbol, opened_at, reason)
    )
    """,
    """
    CREATE TABLE bar_note (
        source text NOT NULL,
        symbol text COLLATE "C" NOT NULL,
        ex_session integer NOT NULL,
        is_dividend boolean NOT NULL,
        origin text COLLATE "C" NOT NULL,
        at bigint NOT NULL,
        state text NOT NULL,
        factor double precision NOT NULL,
        amount double precision NOT NULL,
        noted_at bigint NOT NULL,
        noted_last bigint NOT NULL,
        PRIMARY KEY (source, symbol, ex_session, is_dividend, origin, at)
    )
    """,
    # Each write adds one to a number of its series; several of them, so that writers do not wait for one another.
    """
    CREATE TABLE bar_writes (
        series smallint NOT NULL,
        slot smallint NOT NULL,
        n bigint NOT NULL,
        PRIMARY KEY (series, slot)
    ) WITH (fillfactor = 20)
    """,
)


def upgrade() -> None:
    for statement in _TABLES:
        op.execute(statement)


def downgrade() -> None:
    for name in ("writes", "note", "quarantine", "fetch", "replaced", "page", "symbol", "series"):
        op.execute(f"DROP TABLE bar_{name}")
