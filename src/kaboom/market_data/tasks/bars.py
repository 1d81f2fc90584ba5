"""The worker's part of jobs on stored bars: compact, mirror, roll up, and take rows back from quarantine."""

from functools import partial

from kaboom.bars.open import build_bar_store
from kaboom.drivers.clock import utc_now
from kaboom.jobs.engine.run.worker import Run, go_on, hand_out
from kaboom.jobs.model import Tally
from kaboom.market_data.compact import CompactChunk, compact_chunk, plan_compaction
from kaboom.market_data.mirror import MirrorChunk, mirror_chunk, plan_mirror
from kaboom.market_data.request import CompactRequest, MirrorRequest, RollUpRequest, TakeBackRequest
from kaboom.market_data.results import TakeBackResult
from kaboom.market_data.roll_up import roll_up_chunk
from kaboom.market_data.roll_up_plan import RollUpChunk
from kaboom.market_data.roll_up_plan import plan_roll_up as plan_chunks
from kaboom.market_data.take_back import take_back as take_rows_back


async def plan_compact(run: Run) -> None:
    """Plan a compaction in chunks."""
    settings = run.settings
    request = CompactRequest.parse(run.request).with_default(settings.keep_days)
    await hand_out(run, await plan_compaction(request, build_bar_store(settings), now=utc_now()))


async def compact(run: Run) -> Tally:
    """Run a chunk of a compaction, or continue it where an earlier claim stopped; return its tally."""
    chunk = CompactChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(compact_chunk, chunk, build_bar_store(run.settings)), stops_at_once=True)


async def plan_mirrors(run: Run) -> None:
    """Plan a mirror in chunks."""
    settings, request = run.settings, MirrorRequest.parse(run.request)
    await hand_out(run, await plan_mirror(request, build_bar_store(settings), settings.mirror_place, now=utc_now()))


async def mirror(run: Run) -> Tally:
    """Run a chunk of a mirror, or continue it where an earlier claim stopped; return its tally."""
    settings = run.settings
    chunk = MirrorChunk.from_payload(run.chunk.payload, run.chunk.items)
    work = partial(mirror_chunk, chunk, build_bar_store(settings), settings.mirror_place)
    return await go_on(run, work, stops_at_once=True)


async def plan_roll_up(run: Run) -> None:
    """Plan a roll-up in chunks."""
    settings, request = run.settings, RollUpRequest.parse(run.request)
    store, delay_s = build_bar_store(settings), settings.provider_delay_s
    await hand_out(run, await plan_chunks(request, store, now=utc_now(), delay_s=delay_s, slots=settings.slots))


async def roll_up(run: Run) -> Tally:
    """Run a chunk of a roll-up, or continue it where an earlier claim stopped; return its tally."""
    chunk = RollUpChunk.from_payload(run.chunk.payload, run.chunk.items)
    return await go_on(run, partial(roll_up_chunk, chunk, build_bar_store(run.settings)), stops_at_once=True)


async def take_back(run: Run) -> TakeBackResult:
    """Store rows in quarantine as bars, and return how many."""
    request = TakeBackRequest.parse(run.request)
    return TakeBackResult.model_validate(await take_rows_back(request, build_bar_store(run.settings)))
