"""Open the ledger: its stores share one PostgreSQL engine, or are in memory."""

from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from kaboom.analysis.models.spending import Spending
from kaboom.analysis.spending.memory import MemorySpending
from kaboom.jobs.postgres.accounts.memory import MemoryAccountStore
from kaboom.jobs.postgres.accounts.memory_audit import MemoryAuditLog
from kaboom.jobs.postgres.accounts.port import AccountStore, AuditLog
from kaboom.jobs.postgres.files.memory import MemoryJobFiles
from kaboom.jobs.postgres.files.port import JobFiles
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.postgres.notifications.memory import MemoryNotificationLog
from kaboom.jobs.postgres.notifications.port import Notifications
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.postgres.schedules.memory import MemoryScheduleStore
from kaboom.jobs.postgres.schedules.model import Schedule
from kaboom.jobs.postgres.schedules.port import ScheduleStore
from kaboom.portfolio.store.memory import MemoryPortfolioStore
from kaboom.portfolio.store.port import PortfolioStore

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
    from kaboom.analysis.spending.postgres import PostgresSpending  # noqa: PLC0415
    from kaboom.drivers.postgres.engine import connect_postgres  # noqa: PLC0415
    from kaboom.jobs.postgres.accounts.postgres import PostgresAccountStore  # noqa: PLC0415
    from kaboom.jobs.postgres.accounts.postgres_audit import PostgresAuditLog  # noqa: PLC0415
    from kaboom.jobs.postgres.files.postgres import PostgresJobFiles  # noqa: PLC0415
    from kaboom.jobs.postgres.notifications.postgres_log import PostgresNotificationLog  # noqa: PLC0415
    from kaboom.jobs.postgres.notifications.postgres_rules import PostgresNotificationRules  # noqa: PLC0415
    from kaboom.jobs.postgres.postgres import PostgresJobHistory  # noqa: PLC0415
    from kaboom.jobs.postgres.schedules.postgres import PostgresScheduleStore  # noqa: PLC0415
    from kaboom.portfolio.store.postgres import PostgresPortfolioStore  # noqa: PLC0415

    # The stores share one engine, so that a firing and its job are one transaction.
    engine = connect_postgres(url, application_name=name, pool_size=pool_size)
    history, schedules = PostgresJobHistory(engine), PostgresScheduleStore(engine)
    accounts, audit = PostgresAccountStore(engine), PostgresAuditLog(engine)
    portfolios, files = PostgresPortfolioStore(engine), PostgresJobFiles(engine)
    notifications = Notifications(PostgresNotificationRules(engine), PostgresNotificationLog(engine))
    spending = PostgresSpending(engine)
    return Ledger(history, schedules, accounts, audit, portfolios, files, spending, notifications)
