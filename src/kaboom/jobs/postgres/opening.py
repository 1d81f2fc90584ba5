"""Open the ledger: its stores share one PostgreSQL engine, or are in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from app.ledger.accounts.memory import MemoryAccountStore
from app.ledger.accounts.memory_audit import MemoryAuditLog
from app.ledger.accounts.port import AccountStore, AuditLog
from app.ledger.files.memory import MemoryJobFiles
from app.ledger.files.port import JobFiles
from app.ledger.memory import MemoryJobHistory
from app.ledger.notifications.memory import MemoryNotificationLog
from app.ledger.notifications.port import Notifications
from app.ledger.port import JobHistory
from app.ledger.portfolios.memory import MemoryPortfolioStore
from app.ledger.portfolios.port import PortfolioStore
from app.ledger.schedules.memory import MemoryScheduleStore
from app.ledger.schedules.model import Schedule
from app.ledger.schedules.port import ScheduleStore
from app.ledger.spending.memory import MemorySpending
from batch.analysis.models.spending import Spending

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ledger:
    """The stores of the ledger; closing `history` releases the connections of all."""

    history: JobHistory
    schedules: ScheduleStore
    accounts: AccountStore
    audit: AuditLog
    portfolios: PortfolioStore
    files: JobFiles
    spending: Spending
    notifications: Notifications


def open_memory_ledger(schedules: Sequence[Schedule]) -> Ledger:
    """Return a ledger in memory with these schedules; it is lost when this process ends."""
    _log.warning("history_in_memory", reason="DATABASE_URL is not set; job history ends with this process")
    notifications = MemoryNotificationLog()
    history = MemoryJobHistory(note=notifications.note_now)
    stored = MemoryScheduleStore(history, schedules=schedules)
    accounts, audit = MemoryAccountStore(), MemoryAuditLog()
    portfolios, files = MemoryPortfolioStore(), MemoryJobFiles()
    spending = MemorySpending(note=notifications.note_now)
    both = Notifications(notifications.rules, notifications)
    return Ledger(history, stored, accounts, audit, portfolios, files, spending, both)


def open_postgres_ledger(url: str, *, name: str, pool_size: int) -> Ledger:
    """Return the ledger in a PostgreSQL database, with at most `pool_size` connections.

    Raises:
        ConfigurationError: the URL is not that of a PostgreSQL database.

    """
    # SQLAlchemy and psycopg take 30 MB of memory, and a ledger in memory needs neither.
    from app.ledger.accounts.postgres import PostgresAccountStore  # noqa: PLC0415
    from app.ledger.accounts.postgres_audit import PostgresAuditLog  # noqa: PLC0415
    from app.ledger.files.postgres import PostgresJobFiles  # noqa: PLC0415
    from app.ledger.notifications.postgres_log import PostgresNotificationLog  # noqa: PLC0415
    from app.ledger.notifications.postgres_rules import PostgresNotificationRules  # noqa: PLC0415
    from app.ledger.portfolios.postgres import PostgresPortfolioStore  # noqa: PLC0415
    from app.ledger.postgres import PostgresJobHistory  # noqa: PLC0415
    from app.ledger.schedules.postgres import PostgresScheduleStore  # noqa: PLC0415
    from app.ledger.spending.postgres import PostgresSpending  # noqa: PLC0415
    from batch.kit.postgres.engine import connect_postgres  # noqa: PLC0415

    # The stores share one engine, so that a firing and its job are one transaction.
    engine = connect_postgres(url, application_name=name, pool_size=pool_size)
    history, schedules = PostgresJobHistory(engine), PostgresScheduleStore(engine)
    accounts, audit = PostgresAccountStore(engine), PostgresAuditLog(engine)
    portfolios, files = PostgresPortfolioStore(engine), PostgresJobFiles(engine)
    notifications = Notifications(PostgresNotificationRules(engine), PostgresNotificationLog(engine))
    spending = PostgresSpending(engine)
    return Ledger(history, schedules, accounts, audit, portfolios, files, spending, notifications)
