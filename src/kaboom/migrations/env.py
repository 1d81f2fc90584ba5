"""Run migrations, each in a transaction of its own; one process at a time, and none waits long for a lock."""

from time import sleep

from alembic import context
from sqlalchemy import Connection, NullPool, create_engine, event, text

from kaboom.drivers.postgres.engine import normalize_database_url
from kaboom.errors import ConfigurationError

#: While a migration waits for a table, all later statements on that table wait behind it.
LOCK_MS = 3000
_LOCK_KEY = 0x6B61626F6F6D  # "kaboom"
_TURN_S = 0.2
_CONNECT = {
    "connect_timeout": 3,
    "application_name": "kaboom-migrate",
    # Without this the driver returns bytes for an SQL_ASCII database, and its encoding could not be checked.
    "client_encoding": "utf8",
    "prepare_threshold": None,
}


def _run() -> None:
    url = context.config.attributes["database_url"]
    engine = create_engine(normalize_database_url(url), connect_args=_CONNECT, poolclass=NullPool)
    event.listen(engine, "begin", _set_timeouts)
    with engine.connect() as guard:
        # The lock lives in a transaction, which a pooler keeps on one server. Migrations have another connection: an
        # index is built concurrently outside of any transaction.
        _take_turn(guard)
        with engine.connect() as connection:
            context.configure(connection=connection, transaction_per_migration=True)
            with context.begin_transaction():
                context.run_migrations()


def _set_timeouts(connection: Connection) -> None:
    """Override the timeouts of the role or the server: a migration may take long, but not while others wait for it."""
    for name, milliseconds in (
        ("statement_timeout", 0),
        ("idle_in_transaction_session_timeout", 0),
        ("lock_timeout", LOCK_MS),
    ):
        connection.exec_driver_sql("SELECT set_config(%s, %s, true)", (name, str(milliseconds)))


def _take_turn(guard: Connection) -> None:
    """Wait until no other process migrates.

    It asks again and again: a statement that waits has a snapshot, and the concurrent build of an index by the process
    that holds the lock would wait for it.
    """
    while True:
        _check_encoding(guard)
        # Without parameters, so that the driver uses the simple protocol: after a statement with parameters, the
        # transaction keeps the snapshot.
        if guard.exec_driver_sql(f"SELECT pg_try_advisory_xact_lock({_LOCK_KEY})").scalar_one():
            return
        guard.rollback()
        sleep(_TURN_S)


def _check_encoding(connection: Connection) -> None:
    encoding, name = connection.execute(text("SELECT current_setting('server_encoding'), current_database()")).one()
    if encoding != "UTF8":
        raise ConfigurationError(
            f"the database {name} has the encoding {encoding}, expected UTF8: make one with"
            " CREATE DATABASE kaboom ENCODING 'UTF8' TEMPLATE template0, and name it in DATABASE_URL"
        )


_run()
