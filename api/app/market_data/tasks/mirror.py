"""The worker's side of a mirror: plan a job into chunks, and run one."""

from app.jobs.model import Chunk, Tally
from app.tasks.long_runs import hand_back_long, has_run_long
from app.tasks.tallies import add_report
from app.tasks.worker import Run
from batch.kit.clock import utc_now
from batch.market.report import OutcomeReport
from batch.market_data.mirror import MirrorChunk, mirror_chunk, plan_mirror
from batch.market_data.mirror_request import parse_mirror
from batch.wiring import build_bar_store


async def plan(run: Run) -> Tally:
    """Plan a job."""
    settings = run.parts.settings
    store = build_bar_store(settings)
    made = await plan_mirror(parse_mirror(run.request), store, settings.mirror_dir, now=utc_now())
    planned = () if run.request.get("dry_run") else made.chunks
    chunks = [Chunk(str(n), chunk.months, chunk.payload()) for n, chunk in enumerate(planned)]
    await run.fan_out(made.summary(), chunks)
    return run.chunk.tally


async def run_chunk(run: Run) -> Tally:
    """Run one chunk from where an earlier claim left it; return its tally."""
    base = run.chunk.tally

    def hear(part: OutcomeReport) -> None:
        run.keeper.note_life()
        run.report(add_report(base, part))

    report = await mirror_chunk(
        MirrorChunk.from_payload(run.chunk.payload, run.chunk.items),
        build_bar_store(run.parts.settings),
        run.parts.settings.mirror_dir,
        start=base.cursor,
        on_progress=hear,
        should_stop=lambda: run.should_stop() or has_run_long(run),
    )
    return hand_back_long(run, add_report(base, report))
