"""Dropping jobs and firings from the ledger that are older than KABOOM_JOB_RETENTION_DAYS."""

from time import monotonic

import structlog

from app.engine.parts import Parts

#: So long nothing is looked for after a step that found nothing, or failed; a backlog is worked off without a pause.
_PAUSE_S = 600.0

_log = structlog.get_logger(__name__)


class Pruner:
    """Drops a few old jobs and firings at each step; several may run at once."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._days = parts.settings.job_retention_days
        self._next_at = 0.0

    async def step(self) -> None:
        """Drop what one short transaction for each queue can, if it is time."""
        if self._days == 0 or monotonic() < self._next_at:
            return
        self._next_at = monotonic() + _PAUSE_S
        jobs = 0
        for queue in self._parts.catalog.queues:
            pruned = await self._parts.history.prune(queue, days=self._days)
            for job_id in pruned:
                await self._parts.store.forget(queue, job_id)
            jobs += len(pruned)
        firings = await self._parts.schedules.prune(days=self._days)
        if jobs or firings:
            _log.info("ledger_pruned", jobs=jobs, firings=firings, older_than_days=self._days)
            self._next_at = 0.0
