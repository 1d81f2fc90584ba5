"""The stores in the PostgreSQL database of the settings; one of each for a process and database."""

from functools import cache

from kaboom.bars.postgres.actions import PostgresActionStore
from kaboom.bars.postgres.store import PostgresBarStore
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.postgres.blocking import BlockingDatabase
from kaboom.errors import ConfigurationError


def open_postgres(settings: BatchSettings) -> PostgresBarStore:
    """Return the bar store.

    Raises:
        ConfigurationError: no database is named, or not one of PostgreSQL.

    """
    return _store(_require_url(settings), settings.history_days)


def open_postgres_actions(settings: BatchSettings) -> PostgresActionStore:
    """Return the store of corporate actions.

    Raises:
        ConfigurationError: no database is named, or not one of PostgreSQL.

    """
    return _actions(_require_url(settings))


def name_database(settings: BatchSettings) -> str:
    """Return the server and the database, without user and password.

    Raises:
        ConfigurationError: no database is named, or not one of PostgreSQL.

    """
    return f"PostgreSQL at {_database(_require_url(settings)).place}"


def _require_url(settings: BatchSettings) -> str:
    if settings.database_url is None:
        raise ConfigurationError("KABOOM_BAR_STORE was postgres and DATABASE_URL is not set: name the database")
    return settings.database_url.get_secret_value()


@cache
def _database(url: str) -> BlockingDatabase:
    return BlockingDatabase(url, application_name="kaboom bars")


@cache
def _store(url: str, history_days: int | None) -> PostgresBarStore:
    return PostgresBarStore(_database(url), history_days=history_days)


@cache
def _actions(url: str) -> PostgresActionStore:
    return PostgresActionStore(_database(url))
