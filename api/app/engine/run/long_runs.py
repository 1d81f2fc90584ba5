"""What handlers share: a plan handed out in chunks, and a chunk gone on with, but never for too long at once."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from app.engine.run.hand_back import HandBack
from app.engine.run.tallies import add_report
from app.engine.run.worker import Run
from app.jobs.model import Chunk, Tally
from batch.market.outcome import OutcomeReport

#: Celery ends a task after 29 minutes, and with few requests a minute, or years of bars, a chunk takes longer.
LONGEST_RUN_S = 900.0


class PlannedChunk(Protocol):
    """A chunk as its feature plans it."""

    @property
    def items(self) -> tuple[str, ...]:
        """What is settled one by one."""
        ...

    def payload(self) -> Mapping[str, Any]:
        """Return the chunk without its items as JSON types."""
        ...


class Plan(Protocol):
    """What a request means today."""

    @property
    def chunks(self) -> Sequence[PlannedChunk]:
        """What is to be done."""
        ...

    def summary(self) -> Mapping[str, Any]:
        """Return the plan without its chunks as JSON types."""
        ...


class Work(Protocol):
    """A chunk's work, all but bound: it starts from an item, and ends early if `should_stop` says so."""

    def __call__(
        self, *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: Callable[[], bool]
    ) -> Awaitable[OutcomeReport]:
        """Return the outcomes from `start` on; `should_stop` may be called from any thread, and often."""
        ...


async def hand_out(run: Run, plan: Plan) -> None:
    """Hand a plan's chunks to the queue's workers, none of a dry run."""
    planned = () if run.request.get("dry_run") else plan.chunks
    await run.fan_out(plan.summary(), [Chunk(str(n), chunk.items, chunk.payload()) for n, chunk in enumerate(planned)])


async def go_on(run: Run, work: Work, *, stops_at_once: bool = False) -> Tally:
    """Do what is left of a chunk; return its tally.

    Work that `stops_at_once` looks for a stop in the middle of its items, too, and hears of a cancelled job within half
    a second, whether or not it has something to report.

    Raises:
        HandBack: it has run for long, and something is left.

    """
    base = run.chunk.tally
    if run.should_stop():
        return base
    if stops_at_once:
        run.keeper.look_often()
    report = await work(
        start=base.cursor,
        on_progress=lambda part: run.report(add_report(base, part)),
        should_stop=lambda: run.should_stop() or (_has_run_long(run) and run.keeper.tally.cursor > base.cursor),
    )
    tally = add_report(base, report)
    if _has_run_long(run) and not run.should_stop() and tally.cursor < len(run.chunk.items):
        raise HandBack(f"it has run for {run.keeper.elapsed_s:.0f} s")
    return tally


def _has_run_long(run: Run) -> bool:
    return run.keeper.elapsed_s > LONGEST_RUN_S
