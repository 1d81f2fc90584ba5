"""Checks of a request that need no provider, so that the API can reject it before anything is queued."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from kaboom.errors import InvalidRequest
from kaboom.ingest.request import IngestRequest
from kaboom.market.bounds import MAX_LOOKBACK
from kaboom.market.calendar import JST, last_sessions, resolve_last_session
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.history import ListingHistory
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import Capabilities

#: The most unknown symbols that an error names.
_MOST_NAMED = 5


def check_capabilities(request: IngestRequest, name: str, capabilities: Capabilities) -> None:
    """Raise InvalidRequest unless the capabilities include the request's market and intervals: 1d of indices."""
    if request.market not in capabilities.markets:
        markets = ", ".join(sorted(capabilities.markets))
        raise InvalidRequest(f"market was {request.market}, provider {name} serves {markets}", pointer="/market")
    if request.market is Market.INDEX and (intraday := sorted(set(request.intervals) - {Interval.D1})):
        raise InvalidRequest(
            f"intervals had {', '.join(intraday)}, market INDEX has only daily bars: 1d", pointer="/intervals"
        )
    if Market.FILE not in capabilities.markets:
        _check_lookback(request, name)
    missing = sorted(set(request.intervals) - capabilities.intervals)
    if missing:
        served = ", ".join(sorted(capabilities.intervals))
        raise InvalidRequest(
            f"intervals had {', '.join(missing)}, provider {name} serves {served}",
            pointer="/intervals",
        )


def _check_lookback(request: IngestRequest, name: str) -> None:
    """Raise InvalidRequest for days that only own files are asked for."""
    if request.first or request.all_days:
        field = "first" if request.first else "all_days"
        raise InvalidRequest(
            f"{field} was given, which only provider file takes; provider {name} takes a look-back: intervals",
            pointer=f"/{field}",
        )
    for interval, count in request.intervals.items():
        if count > MAX_LOOKBACK:
            message = f"look-back of {interval} was {count}, expected at most {MAX_LOOKBACK}"
            raise InvalidRequest(message, pointer=f"/intervals/{interval}")


def check_reach(name: str, capabilities: Capabilities, interval: Interval, first: date, now: datetime) -> None:
    """Raise InvalidRequest if a provider has no bars as old as the first requested session."""
    days = capabilities.reach_days.get(interval)
    if days is not None and first < (oldest := now.astimezone(JST).date() - timedelta(days=days)):
        raise InvalidRequest(
            f"{interval} was requested from {first}, provider {name} has the last {days} days, from {oldest}",
            pointer=f"/intervals/{interval}",
        )


def resolve_session(request: IngestRequest, now: datetime, *, delay_s: float) -> date:
    """Return the last session of a request, as `resolve_last_session` does."""
    return resolve_last_session(request.session, now, is_tse=request.market.is_tse, delay_s=delay_s)


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
