"""The outcome of a symbol in a run, one of seven words, and the outcomes of many."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Outcome(StrEnum):
    """The outcome of one symbol."""

    OK = "ok"
    NO_TRADES = "no_trades"
    NOT_LISTED = "not_listed"
    RATE_LIMITED = "rate_limited"
    PROVIDER_ERROR = "provider_error"
    INVALID = "invalid"
    WRITE_FAILED = "write_failed"

    @property
    def is_fine(self) -> bool:
        """Whether nothing is left to do for the symbol; a symbol without trades or a delisted one is not a fault."""
        return self in _FINE


_FINE = frozenset({Outcome.OK, Outcome.NO_TRADES, Outcome.NOT_LISTED})


def is_fine(word: str) -> bool:
    """Return whether an outcome, as a word, leaves nothing to do; an unknown word does not."""
    return word in _FINE


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """The outcome of one symbol, with the bars written, the rows refused, and, for a fault, the reason."""

    symbol: str
    outcome: Outcome
    rows: int = 0
    message: str = ""
    attempts: int = 1
    refused: int = 0


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
