"""Bringing the ledger's schema up to date, and looking whether it is."""

from io import StringIO
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError

import app
from batch.errors import StoreError
from batch.kit.postgres import postgres_errors


def migrate(database_url: str) -> None:
    """Run the migrations that a database has not had yet."""
    command.upgrade(_config(database_url), "head")


def check_schema(database_url: str) -> None:
    """Look whether a database has had every migration, and none that this code does not know.

    Raises:
        StoreError: it has not, or does not answer.

    """
    try:
        with postgres_errors():
            config = _config(database_url)
            # Whoever migrates now holds a lock; to wait for that is not our turn.
            config.attributes["connect_args"] = {"connect_timeout": 3, "options": "-c statement_timeout=5000"}
            command.current(config, check_heads=True)
    except CommandError as e:
        raise StoreError(f"the schema is not this release's, `kaboom migrate` brings it: {e}") from e


def knows_revision(revision: str) -> bool:
    """Return whether this release has a migration."""
    try:
        return ScriptDirectory.from_config(_config("")).get_revision(revision) is not None
    except CommandError:
        return False


def _config(database_url: str) -> Config:
    config = Config(Path(app.__file__).parents[1] / "alembic.ini", stdout=StringIO())
    config.attributes["database_url"] = database_url
    return config
