"""Requests for one symbol each, several at once, until all are answered or an error ends the call."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from kaboom.errors import ProviderError, RateLimited, RequestRejected
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import FetchedBars

#: The rows of one symbol, at least one, or its outcome.
type SymbolAnswer[T] = T | SymbolOutcome


@dataclass(slots=True)
class _Round[T]:
    rows: dict[str, T] = field(default_factory=dict)
    outcomes: dict[str, SymbolOutcome] = field(default_factory=dict)
    end: ProviderError | None = None


def nothing_traded(symbols: Sequence[str]) -> FetchedBars:
    """Return the answer for days on which the exchange is closed."""
    empty = pl.DataFrame(schema=RAW_BAR_SCHEMA)
    return FetchedBars(empty, {symbol: SymbolOutcome(symbol, Outcome.NO_TRADES) for symbol in symbols})


async def ask_each[T](
    symbols: Sequence[str],
    ask: Callable[[str], Awaitable[SymbolAnswer[T]]],
    *,
    concurrency: int,
    join: Callable[[Sequence[T]], pl.DataFrame],
) -> FetchedBars:
    """Return the answers for some symbols, one request each, `concurrency` at once, with their rows joined.

    A retryable error is the outcome of its symbol, and a rejected request makes it `invalid`. Any other error, or a
    pause, ends the call: the remaining symbols are not requested and get that outcome.

    Raises:
        ProviderError: such an error or pause came before any symbol had rows.

    """
    found, waiting = _Round[T](), iter(dict.fromkeys(symbols))
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_work(waiting, ask, found))
    if found.end is not None:
        if not found.rows:
            raise found.end
        _note_end(symbols, found, found.end)
    # In the order of the request, so that the same request has the same answer.
    rows = [found.rows[symbol] for symbol in dict.fromkeys(symbols) if symbol in found.rows]
    bars = join(rows) if rows else pl.DataFrame(schema=RAW_BAR_SCHEMA)
    return FetchedBars(bars, found.outcomes)


async def _work[T](waiting: Iterator[str], ask: Callable[[str], Awaitable[SymbolAnswer[T]]], found: _Round[T]) -> None:
    while found.end is None and (symbol := next(waiting, None)) is not None:
        try:
            answer = await ask(symbol)
        except ProviderError as e:
            if isinstance(e, RateLimited) or not (e.retryable or isinstance(e, RequestRejected)):
                found.end = found.end or e
                return
            outcome = Outcome.INVALID if isinstance(e, RequestRejected) else Outcome.PROVIDER_ERROR
            answer = SymbolOutcome(symbol, outcome, message=e.message)
        if isinstance(answer, SymbolOutcome):
            found.outcomes[symbol] = answer
        else:
            found.rows[symbol] = answer


def _note_end(symbols: Sequence[str], found: _Round[Any], end: ProviderError) -> None:
    """Give each symbol that was not answered the outcome of the error that ended the call."""
    outcome = Outcome.RATE_LIMITED if isinstance(end, RateLimited) else Outcome.PROVIDER_ERROR
    answered = found.rows.keys() | found.outcomes.keys()
    for symbol in symbols:
        if symbol not in answered:
            found.outcomes[symbol] = SymbolOutcome(symbol, outcome, message=end.message)
