"""Delete jobs, firings and model calls older than KABOOM_JOB_RETENTION_DAYS, and expired records of accounts."""

from collections.abc import Sequence
from time import monotonic

import structlog

from kaboom.accounts.store import open_accounts
from kaboom.analysis.spending import open_spending
from kaboom.audit.store import open_audit_log
from kaboom.drivers.postgres.database import Database
from kaboom.jobs.model import Queue
from kaboom.jobs.postgres.port import JobHistory
from kaboom.jobs.redis.store import JobStore
from kaboom.schedules.store import open_schedules

#: The pause after a step that found nothing or failed; a backlog is deleted without pauses.
_PAUSE_S = 600.0

_log = structlog.get_logger(__name__)


class Pruner:
    """Deletes a few old rows at each step; several processes may run it at once."""

    def __init__(
        self, queues: Sequence[Queue], store: JobStore, history: JobHistory, database: Database, *, days: int
    ) -> None:
        """Keep jobs of these queues, firings and model calls for so many days; 0 keeps them forever."""
        self._queues = queues
        self._store = store
        self._history = history
        self._schedules = database.open(open_schedules)
        self._spending = database.open(open_spending)
        self._accounts = database.open(open_accounts)
        self._audit = database.open(open_audit_log)
        self._days = days
        self._next_at = 0.0

    async def step(self) -> None:
        """If the pause is over, delete as many rows as one short transaction for each queue can."""
        if monotonic() < self._next_at:
            return
        self._next_at = monotonic() + _PAUSE_S
        dropped = await self._prune_jobs() if self._days else 0
        dropped += await self._prune_accounts()
        if dropped:
            self._next_at = 0.0

    async def _prune_jobs(self) -> int:
        jobs = 0
        for queue in self._queues:
            pruned = await self._history.prune(queue, days=self._days)
            for job_id in pruned:
                await self._store.forget(queue, job_id)
            jobs += len(pruned)
        firings = await self._schedules.prune(days=self._days)
        calls = await self._spending.prune(days=self._days)
        if jobs or firings or calls:
            _log.info("ledger_pruned", jobs=jobs, firings=firings, ai_calls=calls, older_than_days=self._days)
        return jobs + firings + calls

    async def _prune_accounts(self) -> int:
        ended, lines = await self._accounts.prune(), await self._audit.prune()
        if ended or lines:
            _log.info("accounts_pruned", ended=ended, audit_lines=lines)
        return ended + lines
