"""Running the chunks of a plan: the port, and the executor in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from batch.errors import RateLimited
from batch.ingest.plan import IngestChunk, IngestPlan
from batch.ingest.runner import run_chunk
from batch.ingest.window import IngestTools
from batch.market.outcome import OutcomeReport

#: Runs the chunks of a plan, or hands them over; the report holds what is known on return.
type Execute = Callable[[IngestPlan], Awaitable[OutcomeReport]]


class InProcessExecutor:
    """Runs chunks one after another in this process, and waits when the provider wants a pause."""

    def __init__(
        self,
        tools: IngestTools,
        on_progress: Callable[[OutcomeReport], None] = lambda _: None,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._tools = tools
        self._on_progress = on_progress
        self._sleep = sleep
        self._patience_s = tools.patience_s

    async def run(self, plan: IngestPlan) -> OutcomeReport:
        """Run every chunk of the plan."""
        whole = OutcomeReport()
        for chunk in plan.chunks:
            whole += await self._run_chunk(chunk, whole)
        return whole

    async def _run_chunk(self, chunk: IngestChunk, before: OutcomeReport) -> OutcomeReport:
        here = latest = OutcomeReport()

        def report(part: OutcomeReport) -> None:
            nonlocal latest
            latest = here + part
            self._on_progress(before + latest)

        while True:
            tools = replace(self._tools, patience_s=self._patience_s)
            try:
                return here + await run_chunk(chunk, tools, start=len(here.outcomes), on_progress=report)
            except RateLimited as e:
                here, pause_s = latest, e.retry_after_s or 0.0
            self._patience_s -= pause_s
            await self._sleep(pause_s)
