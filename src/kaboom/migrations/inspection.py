"""Look at a database's schema and at the transactions that hold its tables, without Alembic."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import Connection, NullPool, create_engine, text

from kaboom.drivers.postgres.engine import ENCODING, STATEMENT_MS, normalize_database_url

_HAS_SCHEMA = text("SELECT to_regclass('alembic_version') IS NOT NULL")
_REVISION = text("SELECT max(version_num) FROM alembic_version")
#: Another role's state and times are hidden from roles that are not pg_read_all_stats.
_HOLDERS = text(
    """
    SELECT DISTINCT pid, application_name, usename, state, floor(extract(epoch FROM now() - xact_start))::int AS seconds
    FROM pg_locks JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'relation' AND granted AND relation >= 16384 AND pid <> pg_backend_pid()
        AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
    ORDER BY seconds DESC NULLS LAST LIMIT 3
    """
)


def read_revision(database_url: str) -> str | None:
    """Return the revision of a database's schema; None if it has none."""
    with _connect(database_url) as connection:
        return connection.execute(_REVISION).scalar() if connection.execute(_HAS_SCHEMA).scalar() else None


def describe_lock_holders(database_url: str) -> str:
    """Return the oldest transactions that hold a lock on a table, at most three; "" if none is left."""
    with _connect(database_url) as connection:
        holders = connection.execute(_HOLDERS).all()
    return ", ".join(
        f"pid {pid} ({application or 'no name'} as {user}{'' if seconds is None else f', {state} for {seconds:,} s'})"
        for pid, application, user, state, seconds in holders
    )


@contextmanager
def _connect(database_url: str) -> Iterator[Connection]:
    parameters = {"connect_timeout": 3, "prepare_threshold": None, "client_encoding": ENCODING}
    engine = create_engine(normalize_database_url(database_url), connect_args=parameters, poolclass=NullPool)
    with engine.begin() as connection:
        connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(STATEMENT_MS)})
        yield connection
