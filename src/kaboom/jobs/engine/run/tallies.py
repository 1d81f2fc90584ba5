"""Add the outcomes of items to the tally of their chunk."""

from collections import Counter
from collections.abc import Iterator, Mapping

from kaboom.jobs.model import ItemNote, Tally
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
