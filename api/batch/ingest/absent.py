"""Symbols that are asked for outside their listing: an answer that needs no question."""

from collections.abc import Sequence
from datetime import date

from batch.market.history import ListingHistory
from batch.market.outcome import Outcome, SymbolOutcome


def find_absent(
    history: ListingHistory | None, symbols: Sequence[str], sessions: Sequence[date]
) -> dict[str, SymbolOutcome]:
    """Return `not_listed` for each symbol that was certainly listed on none of some sessions, as dated lists tell."""
    if history is None:
        return {}
    return {
        symbol: SymbolOutcome(symbol, Outcome.NOT_LISTED, message=history.explain(symbol, sessions[-1]))
        for symbol in symbols
        if all(history.is_absent(symbol, session) for session in sessions)
    }
