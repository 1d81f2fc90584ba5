"""Open the ledger's own stores of a database: jobs, their files, and the events of notifications."""

from kaboom.drivers.postgres.database import Database
from kaboom.jobs.postgres.events import EventOutbox, open_memory_events
from kaboom.jobs.postgres.files import JobFiles, MemoryJobFiles
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.port import JobHistory

# SQLAlchemy is loaded with the first database in PostgreSQL.


def open_history(database: Database) -> JobHistory:
    """Return the jobs of a database."""
    if database.engine is None:
        return MemoryJobHistory(note=database.open(open_memory_events).note_now)
    from kaboom.jobs.postgres.postgres import PostgresJobHistory  # noqa: PLC0415

    return PostgresJobHistory(database.engine)


def open_job_files(database: Database) -> JobFiles:
    """Return the files of a database's jobs."""
    if database.engine is None:
        return MemoryJobFiles()
    from kaboom.jobs.postgres.postgres_files import PostgresJobFiles  # noqa: PLC0415

    return PostgresJobFiles(database.engine)


def open_events(database: Database) -> EventOutbox:
    """Return the outbox of a database's events."""
    if database.engine is None:
        return database.open(open_memory_events)
    from kaboom.jobs.postgres.postgres_outbox import PostgresEventOutbox  # noqa: PLC0415

    return PostgresEventOutbox(database.engine)
