"""Open the audit log of a database; in memory it ends with the process."""

from kaboom.audit.log import AuditLog, MemoryAuditLog
from kaboom.drivers.postgres.database import Database


def open_audit_log(database: Database) -> AuditLog:
    """Return the audit log of a database."""
    if database.engine is None:
        return MemoryAuditLog()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.audit.postgres import PostgresAuditLog  # noqa: PLC0415

    return PostgresAuditLog(database.engine)
