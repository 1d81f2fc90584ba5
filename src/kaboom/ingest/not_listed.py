"""Symbols requested for sessions in which they were not listed, so that no provider needs to be asked."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date

from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.market.calendar import last_sessions
from kaboom.market.lists.history import ListingHistory
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import Capabilities

#: The most unknown symbols that an error names.
_MOST_NAMED = 5


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


def add_hints(
    outcomes: Mapping[str, SymbolOutcome], history: ListingHistory | None, session: date
) -> dict[str, SymbolOutcome]:
    """Return the outcomes, with the nearest codes in the message of a `not_listed` symbol that no list has.

    If there are many of these, the message says only that no list has it: they are no typing errors.
    """
    unknown = [
        symbol
        for symbol, said in outcomes.items()
        if said.outcome is Outcome.NOT_LISTED and history and not history.validities(symbol)
    ]
    hinted = dict(outcomes)
    for symbol in unknown:
        hint, said = "no symbol list has it", outcomes[symbol].message
        if history and len(unknown) <= _MOST_NAMED:
            near = ", ".join(history.find_nearest(symbol, session)) or "none"
            hint = f"no symbol list has it; nearest to {symbol}: {near}"
        hinted[symbol] = replace(outcomes[symbol], message=f"{hint}; {said}" if said else hint)
    return hinted


def check_named(
    request: IngestRequest, session: date, capabilities: Capabilities, load: Callable[[], ListingHistory]
) -> None:
    """Reject a request that names symbols which the dated lists do not have in its sessions, up to `session`.

    A provider that follows the lists has no other symbols, so one such symbol is enough. Other providers may know
    newer symbols; their request is rejected if all its symbols are known to have left, or to have come later. The
    lists are loaded only if symbols of the TSE are named.

    Raises:
        InvalidRequest: a symbol is not there; the message names the nearest codes, or when it was listed.

    """
    if not (request.symbols and request.market.is_section) or capabilities.knows_listings:
        return
    history = load()
    sessions = last_sessions(max(request.intervals.values(), default=1), session)
    if not capabilities.follows_lists:
        absent = find_not_listed(history, request.symbols, sessions)
        if len(absent) == len(request.symbols):
            raise _not_listed(request.symbols[0], session, history)
        return
    missing = [symbol for symbol in request.symbols if not history.was_listed(symbol, sessions)]
    if unknown := [symbol for symbol in missing if not history.validities(symbol)]:
        raise _unknown(unknown, session, history)
    if missing:
        raise _not_listed(missing[0], session, history)


def _not_listed(symbol: str, session: date, history: ListingHistory) -> InvalidRequest:
    why = history.explain(symbol, session)
    return InvalidRequest(f"{symbol} was not listed on {session}: {why}", pointer="/symbols")


def _unknown(symbols: Sequence[str], session: date, history: ListingHistory) -> InvalidRequest:
    more = f" and {len(symbols) - _MOST_NAMED} more" if len(symbols) > _MOST_NAMED else ""
    near = ", ".join(history.find_nearest(symbols[0], session)) or "none"
    names = f"{', '.join(symbols[:_MOST_NAMED])}{more}"
    return InvalidRequest(
        f"symbols had {names}, which no symbol list has; nearest to {symbols[0]}: {near}; "
        f"the newest list is of {history.newest}, `kaboom symbols import` takes a newer one",
        pointer="/symbols",
    )
