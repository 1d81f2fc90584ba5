"""Migrate the schema of the ledger, or check that it is up to date."""

import re
from io import StringIO

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from kaboom.drivers.postgres.engine import postgres_errors
from kaboom.errors import ConfigurationError, Conflict, StoreError

#: The oldest schema that this release knows, and the last commit that migrates older ones to it (decision 0102).
BASELINE = "0021"
_LAST_BEFORE = "78e52e73"
_UNKNOWN = re.compile(r"Can't locate revision identified by '([^']*)'")
_STATEMENT_MODE = "statement pooling mode"


def migrate(database_url: str, revision: str = "head") -> None:
    """Run the migrations that a database lacks, up to `revision`.

    Raises:
        ConfigurationError: the database is older than `BASELINE`, or a newer release has migrated it; it is not encoded
            in UTF-8, or its pooler allows no transactions.
        StoreError: the database does not answer.

    """
    try:
        with postgres_errors():
            command.upgrade(_config(database_url), revision)
    except CommandError as e:
        raise ConfigurationError(_describe(e)) from e
    except StoreError as e:
        if _STATEMENT_MODE not in e.message:
            raise
        raise ConfigurationError(
            "the pooler of DATABASE_URL allows no transactions (statement pooling), and Kaboom needs them: set it to"
            " transaction or session pooling, or set DATABASE_DIRECT_URL to the server's own address to migrate"
        ) from e


def check_schema(database_url: str) -> None:
    """Check that a database has every migration of this release, and no unknown migration.

    Raises:
        StoreError: a migration is missing or unknown, or the database does not answer.

    """
    try:
        with postgres_errors():
            config = _config(database_url)
            # A running migration holds a lock; this check must not wait for it.
            config.attributes["statement_timeout_ms"] = 5000
            command.current(config, check_heads=True)
    except CommandError as e:
        raise StoreError(
            f"the schema is not this release's: `kaboom migrate` brings it, unless a newer release migrated it ({e})"
        ) from e


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
        ScriptDirectory.from_config(_config("")).get_revision(revision)
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


def _config(database_url: str) -> Config:
    config = Config(stdout=StringIO())
    config.set_main_option("script_location", "kaboom:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["database_url"] = database_url
    return config
