"""The outcome of a symbol in a run: one of seven words."""

from dataclasses import dataclass
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
        """Whether nothing is left to do for the symbol; an empty or delisted one is not a fault."""
        return self in _FINE


_FINE = frozenset({Outcome.OK, Outcome.NO_TRADES, Outcome.NOT_LISTED})


def is_fine(word: str) -> bool:
    """Return whether an outcome, as a word, leaves nothing to do; an unknown word does not."""
    return word in _FINE


@dataclass(frozen=True, slots=True)
class SymbolOutcome:
    """The outcome of one symbol, with the number of bars written and, for a fault, the reason."""

    symbol: str
    outcome: Outcome
    rows: int = 0
    message: str = ""
    attempts: int = 1
