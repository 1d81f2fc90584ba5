"""What became of the symbols of a chunk or of a whole run; every symbol has exactly one outcome."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from batch.market.outcome import Outcome, SymbolOutcome


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Outcomes in the order of the symbols, and what the quality checks counted."""

    outcomes: tuple[SymbolOutcome, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)

    @property
    def rows(self) -> int:
        """Bars written."""
        return sum(outcome.rows for outcome in self.outcomes)

    def by_outcome(self) -> dict[Outcome, int]:
        """Return how many symbols ended with each outcome, all seven named."""
        found = Counter(outcome.outcome for outcome in self.outcomes)
        return {outcome: found.get(outcome, 0) for outcome in Outcome}

    def __add__(self, other: "IngestReport") -> "IngestReport":
        """Return both reports as one."""
        counts = Counter(self.counts)
        counts.update(other.counts)
        return IngestReport(self.outcomes + other.outcomes, dict(counts))
