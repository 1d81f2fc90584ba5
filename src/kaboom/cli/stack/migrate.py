"""Migrate the schema of the ledger, or check that it is up to date."""

import re
from collections.abc import Callable
from io import StringIO
from time import sleep

import structlog
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from kaboom.drivers.postgres.engine import postgres_errors
from kaboom.errors import ConfigurationError, Conflict, StoreError
from kaboom.jobs.postgres.schema import compare_revision
from kaboom.migrations.inspection import describe_lock_holders, read_revision

_log = structlog.get_logger(__name__)

#: The oldest schema that this release knows, and the last commit that migrates older ones to it (decision 0102).
BASELINE = "0021"
_LAST_BEFORE = "78e52e73"
_UNKNOWN = re.compile(r"Can't locate revision identified by '([^']*)'")
_STATEMENT_MODE = "statement pooling mode"
_SCRIPTS = "kaboom:migrations"
#: A migration waits 3 s for a lock; with these pauses it goes on for two minutes.
RETRY_AFTER_S = (1.0, 2.0, 4.0, 8.0, 15.0, 15.0, 15.0, 15.0, 15.0)
#: PostgreSQL's errors after which the same migration may succeed.
_LOCKED = ("LockNotAvailable", "DeadlockDetected")


def migrate(database_url: str, revision: str = "head", *, scripts: str = _SCRIPTS) -> None:
    """Run the migrations that a database lacks, up to `revision`; one that gets no lock on a table is tried again.

    Raises:
        ConfigurationError: the database is older than `BASELINE`, or a newer release has migrated it; it is not encoded
            in UTF-8, or its pooler allows no transactions.
        StoreError: the database does not answer, or a transaction holds a table for as long as this tries.

    """
    try:
        _retry_locked(database_url, lambda: command.upgrade(_config(database_url, scripts), revision))
    except CommandError as e:
        raise ConfigurationError(_describe(e)) from e
    except StoreError as e:
        if _STATEMENT_MODE not in e.message:
            raise
        raise ConfigurationError(
            "the pooler of DATABASE_URL allows no transactions (statement pooling), and Kaboom needs them: set it to"
            " transaction or session pooling, or set DATABASE_DIRECT_URL to the server's own address to migrate"
        ) from e


def _retry_locked(database_url: str, upgrade: Callable[[], None]) -> None:
    """Run the migrations; after each try that got no lock, let the statements that waited behind it pass."""
    for pause_s in (*RETRY_AFTER_S, None):
        try:
            with postgres_errors():
                return upgrade()
        except StoreError as e:
            if not any(name in e.message for name in _LOCKED):
                raise
            held_by = _find_holders(database_url)
            if pause_s is None:
                raise StoreError(
                    f"a migration got no lock on a table in {len(RETRY_AFTER_S) + 1} attempts, since other"
                    f" transactions hold it: {held_by}. Wait until they end, or end them with"
                    " `SELECT pg_terminate_backend(pid)`, then run `kaboom migrate` again; what was done before stays"
                ) from e
        _log.warning("migration_locked", retry_in_s=pause_s, held_by=held_by)
        sleep(pause_s)
    return None


def _find_holders(database_url: str) -> str:
    try:
        with postgres_errors():
            return describe_lock_holders(database_url) or "none now"
    except StoreError as e:
        return e.message


def check_schema(database_url: str) -> None:
    """Check that a database has every migration of this release, and no unknown migration.

    Raises:
        StoreError: a migration is missing or unknown, or the database does not answer.

    """
    with postgres_errors():
        found = read_revision(database_url)
    if newer := compare_revision(found):
        raise StoreError(newer, retryable=False)


def check_revision(revision: str) -> None:
    """Check that this release knows a revision of the schema, that of a backup.

    Raises:
        Conflict: the revision is older than `BASELINE`, or of a newer release.

    """
    if revision < BASELINE:
        raise Conflict(
            f"the ledger of this backup is at revision {revision}, older than {BASELINE}, where this release begins:"
            f" restore it first with `git checkout {_LAST_BEFORE} && make setup` and then `kaboom restore`; this"
            " release continues from that data folder"
        )
    try:
        ScriptDirectory.from_config(_config("", _SCRIPTS)).get_revision(revision)
    except CommandError as e:
        raise Conflict(f"the ledger of this backup is of a newer Kaboom: migration {revision} is unknown here") from e


def _describe(error: CommandError) -> str:
    unknown = _UNKNOWN.search(str(error))
    if unknown is None:
        return f"the ledger's schema could not be migrated: {error}"
    if (revision := unknown[1]) < BASELINE:
        return (
            f"the ledger's schema is at revision {revision}, older than {BASELINE}, where this release begins:"
            f" migrate it first with `git checkout {_LAST_BEFORE} && make setup` and then `kaboom migrate`, or for a"
            " data folder `kaboom up`"
        )
    return (
        f"the ledger's schema is at revision {revision}, which this release does not know: a newer release has"
        " migrated it. Install that release or a newer one, or restore a backup from before"
    )


def _config(database_url: str, scripts: str) -> Config:
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", scripts)
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    return config
