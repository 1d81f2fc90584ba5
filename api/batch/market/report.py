"""The outcomes of the items of a chunk or a whole run; every item has exactly one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batch.market.outcome import Outcome, SymbolOutcome


@dataclass(frozen=True, slots=True)
class OutcomeReport:
    """Outcomes in the order of the items, and other counts, such as quality flags."""

    outcomes: tuple[SymbolOutcome, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Bars written."""
        return sum(outcome.rows for outcome in self.outcomes)

    def by_outcome(self) -> dict[Outcome, int]:
        """Return how many items ended with each outcome, all seven named."""
        found = Counter(outcome.outcome for outcome in self.outcomes)
        return {outcome: found.get(outcome, 0) for outcome in Outcome}

    def __add__(self, other: "OutcomeReport") -> "OutcomeReport":
        """Return both reports as one."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        return OutcomeReport(self.outcomes + other.outcomes, dict(counts))
