"""Running the chunks of a plan in this process."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace

from kaboom.errors import RateLimited
from kaboom.ingest.plan import IngestChunk, IngestPlan
from kaboom.ingest.runner import run_chunk
from kaboom.ingest.window import IngestTools
from kaboom.market.outcome import OutcomeReport


class InProcessExecutor:
    """Runs chunks one after another in this process, and waits when the provider wants a pause."""

    def __init__(self, tools: IngestTools, *, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._tools = tools
        self._sleep = sleep
        self._patience_s = tools.patience_s

    async def run(self, plan: IngestPlan) -> OutcomeReport:
        """Run every chunk of the plan."""
        whole = OutcomeReport()
        for chunk in plan.chunks:
            whole += await self._run_chunk(chunk)
        return whole

    async def _run_chunk(self, chunk: IngestChunk) -> OutcomeReport:
        here = latest = OutcomeReport()

        def report(part: OutcomeReport) -> None:
            nonlocal latest
            latest = here + part

        while True:
            tools = replace(self._tools, patience_s=self._patience_s)
            try:
                return here + await run_chunk(chunk, tools, start=len(here.outcomes), on_progress=report)
            except RateLimited as e:
                here, pause_s = latest, e.retry_after_s or 0.0
            self._patience_s -= pause_s
            await self._sleep(pause_s)
