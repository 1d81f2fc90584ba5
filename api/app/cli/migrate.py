"""Bringing the ledger's schema up to date."""

from pathlib import Path

from alembic import command
from alembic.config import Config

import app


def migrate(database_url: str) -> None:
    """Run the migrations that a database has not had yet."""
    config = Config(Path(app.__file__).parents[1] / "alembic.ini")
    config.attributes["database_url"] = database_url
    command.upgrade(config, "head")
