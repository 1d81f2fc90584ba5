"""The outcome of each symbol of a request to files: refused parts, and symbols that the files do not have; pure."""

from collections.abc import Sequence
from datetime import date

from kaboom.market.calendar import is_session
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.market.symbol import is_tse_code
from kaboom.providers.base import BarRequest
from kaboom.providers.file.errors import Refusal
from kaboom.providers.file.sheet import Facts


def find_outcomes(request: BarRequest, brought: frozenset[str], facts: Sequence[Facts]) -> dict[str, SymbolOutcome]:
    """Return the outcome of each symbol that has no rows or refused parts, by the facts of each file."""
    spans, refusals = _gather(facts, request.interval)
    outcomes: dict[str, SymbolOutcome] = {}
    for symbol in request.symbols:
        if parts := refusals.get(symbol):
            more = f"; {len(parts) - 1:,} more" if len(parts) > 1 else ""
            outcomes[symbol] = SymbolOutcome(symbol, Outcome.INVALID, message=parts[0].message + more)
        elif symbol not in brought:
            outcomes[symbol] = _find_absence(symbol, request, spans.get(symbol))
    return outcomes


def _gather(
    facts: Sequence[Facts], interval: Interval
) -> tuple[dict[str, tuple[date, date]], dict[str, list[Refusal]]]:
    """Return for each symbol the first and last session with bars of an interval, and the refused parts."""
    spans: dict[str, tuple[date, date]] = {}
    refusals: dict[str, list[Refusal]] = {}
    for each in facts:
        # A file without rows may be of any interval.
        for refusal in each.refusals if each.interval in {interval, None} else ():
            if refusal.symbol:
                refusals.setdefault(refusal.symbol, []).append(refusal)
        for symbol, (first, last) in each.spans.items() if each.interval is interval else ():
            known = spans.get(symbol, (first, last))
            spans[symbol] = (min(first, known[0]), max(last, known[1]))
    return spans, refusals


def _find_absence(symbol: str, request: BarRequest, span: tuple[date, date] | None) -> SymbolOutcome:
    """Return why a symbol has no rows: within its days an exchange may have been open without a trade."""
    if span is None and request.is_named:
        message = f"no {request.interval} bars of it are in your files; to see what they have: kaboom files check"
        return SymbolOutcome(symbol, Outcome.INVALID, message=message)
    if span is None:
        return SymbolOutcome(symbol, Outcome.NOT_LISTED, message="not in your files")
    first, last = span
    inside = [day for day in request.sessions if first <= day <= last]
    if any(_is_open(symbol, day) for day in inside):
        return SymbolOutcome(symbol, Outcome.NO_TRADES)
    message = f"not in your files on these days; they have it from {first} to {last}"
    return SymbolOutcome(symbol, Outcome.NOT_LISTED, message=message)


def _is_open(symbol: str, day: date) -> bool:
    """Return whether the exchange may have been open on a day; for Tokyo's issues this is known."""
    return is_session(day) if is_tse_code(symbol) else day.weekday() < 5
