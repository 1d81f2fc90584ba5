"""Runs migrations one process at a time: an advisory lock makes a second one wait for the first."""

from alembic import context
from sqlalchemy import Connection, create_engine, text

import app.ledger.accounts.tables
import app.ledger.schedules.tables
import app.ledger.spending.tables  # noqa: F401  these add their tables to those of the ledger
from app.ledger.tables import METADATA
from batch.errors import ConfigurationError
from batch.kit.postgres.engine import normalize_database_url

_LOCK_KEY = 0x6B61626F6F6D  # "kaboom"
_CONNECT = {
    "connect_timeout": 3,
    # Of an SQL_ASCII database the driver would return bytes, before its encoding could be checked.
    "client_encoding": "utf8",
    "prepare_threshold": None,
}


def _run() -> None:
    options = context.config.attributes
    url = options["database_url"]
    engine = create_engine(normalize_database_url(url), connect_args=_CONNECT)
    try:
        # One transaction holds the lock and all migrations: a pooler keeps a transaction on one server, and gives the
        # next statement outside of one to any.
        with engine.begin() as connection:
            _set_timeout(connection, options.get("statement_timeout_ms", 0))
            _check_encoding(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            context.configure(connection=connection, target_metadata=METADATA)
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


def _set_timeout(connection: Connection, milliseconds: int) -> None:
    """Replace a timeout of the role or the server: an index on a large table takes longer than a query may."""
    connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(milliseconds)})


def _check_encoding(connection: Connection) -> None:
    encoding, name = connection.execute(text("SELECT current_setting('server_encoding'), current_database()")).one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {name} has the encoding {encoding}, expected UTF8: make one with"
            " CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL"
        )


_run()
