"""The worker's part of statements and events: plan a job in chunks, and run a chunk."""

from functools import partial

from kaboom.bars.open_provider import build_disclosures
from kaboom.disclosures.store import open_disclosures
from kaboom.errors import RateLimited
from kaboom.fundamentals.request import FundamentalsRequest
from kaboom.fundamentals.take import TakeChunk, TakeTools, plan_take, take_chunk
from kaboom.jobs.engine.run.worker import Run, go_on, hand_back, hand_out, patience_left_s
from kaboom.jobs.model import Tally
from kaboom.providers.watch import while_alive


async def plan(run: Run) -> None:
    """Plan a job in chunks of days or of symbols."""
    request = FundamentalsRequest.parse(run.request)
    await hand_out(run, plan_take(request, request.provider or run.settings.provider))


async def run_chunk(run: Run) -> Tally:
    """Run a chunk, or continue it where an earlier claim stopped; return its tally.

    Raises:
        HandBack: the provider wants a pause that the chunk may still wait for, or the chunk has run for long.
        StoreError: the database is unavailable; the chunk waits.

    """
    settings = run.settings
    chunk = TakeChunk.from_payload(run.chunk.payload, run.chunk.items)
    tools = TakeTools(
        build_disclosures(settings, chunk.provider),
        run.database.open(open_disclosures),
        attempts=settings.fetch_attempts,
        patience_s=patience_left_s(run),
    )
    try:
        with while_alive(run.keeper.note_life):
            return await go_on(run, partial(take_chunk, chunk, tools))
    except RateLimited as e:
        raise hand_back(run, e) from e
