"""Asking a provider for one symbol after the other, a few at once, until all are answered or it has had enough."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from batch.errors import ProviderError, RateLimited
from batch.market.bar import RAW_BAR_SCHEMA
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import FetchedBars

#: Rows of one symbol, at least one, or what became of it.
type SymbolAnswer[T] = T | SymbolOutcome


@dataclass(slots=True)
class _Round[T]:
    rows: dict[str, T] = field(default_factory=dict)
    outcomes: dict[str, SymbolOutcome] = field(default_factory=dict)
    end: ProviderError | None = None


def nothing_traded(symbols: Sequence[str]) -> FetchedBars:
    """Return the answer to a request for days on which nothing trades."""
    empty = pl.DataFrame(schema=RAW_BAR_SCHEMA)
    return FetchedBars(empty, {symbol: SymbolOutcome(symbol, Outcome.NO_TRADES) for symbol in symbols})


async def ask_each[T](
    symbols: Sequence[str],
    ask: Callable[[str], Awaitable[SymbolAnswer[T]]],
    *,
    concurrency: int,
    join: Callable[[Sequence[T]], pl.DataFrame],
) -> FetchedBars:
    """Return the answers for some symbols, each asked for by itself, `concurrency` at once, their rows joined.

    A fault that another try may mend is its symbol's. Any other, and a pause, hold for all: nobody else is
    asked for, and the rest have that outcome.

    Raises:
        ProviderError: such a fault or pause came before any symbol had rows.

    """
    found, waiting = _Round[T](), iter(dict.fromkeys(symbols))
    async with asyncio.TaskGroup() as group:
        for _ in range(concurrency):
            group.create_task(_work(waiting, ask, found))
    if found.end is not None:
        if not found.rows:
            raise found.end
        _end_for(symbols, found, found.end)
    # In the order that was asked, not that of the answers: the same question has the same answer.
    rows = [found.rows[symbol] for symbol in dict.fromkeys(symbols) if symbol in found.rows]
    bars = join(rows) if rows else pl.DataFrame(schema=RAW_BAR_SCHEMA)
    return FetchedBars(bars, found.outcomes)


async def _work[T](waiting: Iterator[str], ask: Callable[[str], Awaitable[SymbolAnswer[T]]], found: _Round[T]) -> None:
    while found.end is None and (symbol := next(waiting, None)) is not None:
        try:
            answer = await ask(symbol)
        except ProviderError as e:
            if isinstance(e, RateLimited) or not e.retryable:
                found.end = found.end or e
                return
            answer = SymbolOutcome(symbol, Outcome.PROVIDER_ERROR, message=e.message)
        if isinstance(answer, SymbolOutcome):
            found.outcomes[symbol] = answer
        else:
            found.rows[symbol] = answer


def _end_for(symbols: Sequence[str], found: _Round[Any], end: ProviderError) -> None:
    outcome = Outcome.RATE_LIMITED if isinstance(end, RateLimited) else Outcome.PROVIDER_ERROR
    answered = found.rows.keys() | found.outcomes.keys()
    for symbol in symbols:
        if symbol not in answered:
            found.outcomes[symbol] = SymbolOutcome(symbol, outcome, message=end.message)
