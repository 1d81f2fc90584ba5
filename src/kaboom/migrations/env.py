"""Run migrations in one process at a time: an advisory lock makes a second process wait for the first."""

from alembic import context
from sqlalchemy import Connection, create_engine, text

from kaboom.drivers.postgres.engine import normalize_database_url
from kaboom.errors import ConfigurationError

_LOCK_KEY = 0x6B61626F6F6D  # "kaboom"
_CONNECT = {
    "connect_timeout": 3,
    # Without this the driver returns bytes for an SQL_ASCII database, and its encoding could not be checked.
    "client_encoding": "utf8",
    "prepare_threshold": None,
}


def _run() -> None:
    options = context.config.attributes
    url = options["database_url"]
    engine = create_engine(normalize_database_url(url), connect_args=_CONNECT)
    try:
        # The lock and all migrations are in one transaction: a pooler runs a transaction on one connection, but single
        # statements on any.
        with engine.begin() as connection:
            _set_timeout(connection, options.get("statement_timeout_ms", 0))
            _check_encoding(connection)
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK_KEY})
            context.configure(connection=connection)
            with context.begin_transaction():
                context.run_migrations()
    finally:
        engine.dispose()


def _set_timeout(connection: Connection, milliseconds: int) -> None:
    """Override the timeout of the role or the server: building an index on a large table may take longer."""
    connection.execute(text("SELECT set_config('statement_timeout', :ms, true)"), {"ms": str(milliseconds)})


def _check_encoding(connection: Connection) -> None:
    encoding, name = connection.execute(text("SELECT current_setting('server_encoding'), current_database()")).one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {name} has the encoding {encoding}, expected UTF8: make one with"
            " CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL"
        )


_run()
