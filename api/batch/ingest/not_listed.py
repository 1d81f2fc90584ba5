"""Symbols requested for sessions in which they were not listed, so that no provider needs to be asked."""

from collections.abc import Sequence
from datetime import date

from batch.market.lists.history import ListingHistory
from batch.market.outcome import Outcome, SymbolOutcome


def find_not_listed(
    history: ListingHistory | None, symbols: Sequence[str], sessions: Sequence[date]
) -> dict[str, SymbolOutcome]:
    """Return `not_listed` for each symbol that, by the dated lists, was listed on none of the sessions."""
    if history is None:
        return {}
    return {
        symbol: SymbolOutcome(symbol, Outcome.NOT_LISTED, message=history.explain(symbol, sessions[-1]))
        for symbol in symbols
        if all(history.is_absent(symbol, session) for session in sessions)
    }
