"""Helpers of handlers: hand out a plan in chunks, and continue a chunk, but not for too long in one run."""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol

from kaboom.jobs.engine.run.answers import HandBack, check_plan
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.model import Chunk, ItemNote, Tally
from kaboom.market.outcome import Outcome, OutcomeReport

#: The cause is sent with every report of progress, so it is kept short.
_LONGEST_CAUSE = 500


def add_report(base: Tally, report: OutcomeReport) -> Tally:
    """Return the tally after some more items; each item that is not a plain success gets a note."""
    fine = sum(o.outcome.is_fine for o in report.outcomes)
    return Tally(
        cursor=base.cursor + len(report.outcomes),
        done=base.done + fine,
        failed=base.failed + len(report.outcomes) - fine,
        written=base.written + sum(o.outcome is Outcome.OK for o in report.outcomes),
        rows=base.rows + report.rows,
        outcomes=_sum(base.outcomes, Counter(o.outcome.value for o in report.outcomes)),
        counts=_sum(base.counts, report.counts),
        notes=base.notes + tuple(_notes(report)),
        cause=base.cause or _first_cause(report),
    )


def _notes(report: OutcomeReport) -> Iterator[ItemNote]:
    for o in report.outcomes:
        if o.outcome is not Outcome.OK or o.message:
            yield ItemNote(o.symbol, o.outcome.value, o.message, o.attempts)


def _first_cause(report: OutcomeReport) -> str:
    failed = (o for o in report.outcomes if not o.outcome.is_fine)
    texts = (f"{o.symbol} {o.outcome.value}" + (f": {o.message}" if o.message else "") for o in failed)
    return next(texts, "")[:_LONGEST_CAUSE]


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    total = Counter(one)
    total.update(other)
    return dict(total)


#: Celery ends a task after 29 minutes. A chunk may take longer: with few requests per minute, or with years of bars.
LONGEST_RUN_S = 900.0


class PlannedChunk(Protocol):
    """A chunk in the form in which a feature plans it."""

    @property
    def items(self) -> tuple[str, ...]:
        """The items, which are settled one by one."""
        ...

    def payload(self) -> Mapping[str, Any]:
        """Return the chunk as JSON types, without its items."""
        ...


class Plan(Protocol):
    """The work that a request means today."""

    @property
    def chunks(self) -> Sequence[PlannedChunk]:
        """The chunks of the work."""
        ...

    def summary(self) -> Mapping[str, Any]:
        """Return the plan as JSON types, without its chunks."""
        ...


class Work(Protocol):
    """The work of a chunk: it starts at an item, and ends early if `should_stop` returns true."""

    def __call__(
        self, *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: Callable[[], bool]
    ) -> Awaitable[OutcomeReport]:
        """Return the outcomes from `start` on; `should_stop` may be called from any thread, and often."""
        ...


async def hand_out(run: Run, plan: Plan) -> None:
    """Hand out a plan's chunks to the workers of the queue; a dry run has no chunks.

    Raises:
        TypeError: the plan and its totals are not the result of the job type.

    """
    planned, summary = () if run.request.get("dry_run") else plan.chunks, plan.summary()
    check_plan(run.parts.catalog.get(run.claim.task), summary)
    await run.fan_out(summary, [Chunk(str(n), chunk.items, chunk.payload()) for n, chunk in enumerate(planned)])


async def go_on(run: Run, work: Work, *, stops_at_once: bool = False) -> Tally:
    """Do the remaining work of a chunk; return its tally.

    With `stops_at_once` the work checks for a stop within its items, too; it notices a cancel within half a second,
    even if it has nothing to report.

    Raises:
        HandBack: the run took longer than `LONGEST_RUN_S`, and items are left.

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
