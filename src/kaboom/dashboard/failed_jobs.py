"""How many jobs of the last day failed, for the badge that every page has."""

import asyncio

from kaboom.drivers.clock import utc_now
from kaboom.errors import StoreError
from kaboom.jobs.engine.health_checks import KeptAnswers
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.operations.alerts import query_failed

#: More are shown as "9+".
MOST = 10
_KEPT_S = 5.0
_PATIENCE_S = 0.2


class FailedJobs:
    """A cache of some seconds for each owner, shared by all pages of this process."""

    def __init__(self) -> None:
        self._counts: KeptAnswers[int] = KeptAnswers(for_s=_KEPT_S)

    async def count(self, jobs: Jobs, owner: str) -> int:
        """Return the jobs that failed, in whole or in part, and were not retried, at most `MOST`.

        A page never waits for a slow ledger: it is shown without the badge, as if there were none.
        """

        async def find() -> int:
            return len(await jobs.parts.history.list_jobs(query_failed(owner, utc_now(), limit=MOST)))

        try:
            async with asyncio.timeout(_PATIENCE_S):
                return await self._counts.ask(owner, find)
        except (StoreError, TimeoutError):
            return 0
