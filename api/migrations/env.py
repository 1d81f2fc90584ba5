"""Runs migrations one process at a time: an advisory lock makes a second one wait for the first."""

from alembic import context
from sqlalchemy import create_engine, text

import app.jobs.schedules.tables  # noqa: F401  adds its tables to those of the ledger
from app.jobs.history.tables import METADATA
from app.settings import load_settings
from batch.kit.postgres import normalize_database_url

_LOCK_KEY = 0x6B61626F6F6D  # "kaboom"


def _run() -> None:
    url = context.config.attributes.get("database_url") or load_settings().require_database_url()
    engine = create_engine(normalize_database_url(url), connect_args=context.config.attributes.get("connect_args", {}))
    try:
        with engine.connect() as connection:
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK_KEY})
            connection.commit()
            context.configure(connection=connection, target_metadata=METADATA)
            with context.begin_transaction():
                context.run_migrations()
            connection.commit()
    finally:
        engine.dispose()


_run()
