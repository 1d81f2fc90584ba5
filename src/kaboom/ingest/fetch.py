"""Fetching from a provider, with retries, until every symbol has bars or an outcome."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from kaboom.drivers.retry import backoff_s
from kaboom.errors import ProviderError, RateLimited
from kaboom.market.action import CorporateAction
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.watch import watched_request

_RETRYABLE = frozenset({Outcome.RATE_LIMITED, Outcome.PROVIDER_ERROR})
#: The first and the longest pause between two tries of one slice; the caller handles longer ones.
_FIRST_PAUSE_S, _MAX_PAUSE_S = 0.5, 30.0


@dataclass(slots=True)
class _Fetched:
    """The result of all tries so far."""

    frames: list[pl.DataFrame]
    outcomes: dict[str, SymbolOutcome]
    actions: list[CorporateAction] = field(default_factory=list)
    unreadable: list[pl.DataFrame] = field(default_factory=list)
    attempts: int = 0
    retry_after_s: float = 0.0
    limited: RateLimited | None = None


async def fetch_all(
    provider: BarProvider, request: BarRequest, *, attempts: int, patience_s: float = 0.0
) -> FetchedBars:
    """Return the raw rows of a request, the outcome of every symbol without rows, and the reported actions.

    Raises:
        RateLimited: the provider wants a pause of `retry_after_s`, at most `patience_s`; fetch all again after it. If
            the pause is longer, the symbols fail.

    """
    so_far, waiting = _Fetched([], {}), request.symbols
    while waiting and so_far.attempts < attempts:
        if so_far.attempts:
            backoff = backoff_s(so_far.attempts - 1, first_s=_FIRST_PAUSE_S, longest_s=_MAX_PAUSE_S)
            await asyncio.sleep(so_far.retry_after_s + backoff)
        so_far.attempts += 1
        asked = replace(request, symbols=waiting, attempt=so_far.attempts)
        waiting = await _ask(provider, asked, so_far)
    _hand_up_pause(so_far, patience_s)
    rows = pl.concat(so_far.frames) if so_far.frames else pl.DataFrame(schema=RAW_BAR_SCHEMA)
    unreadable = pl.concat(so_far.unreadable) if so_far.unreadable else None
    return FetchedBars(rows, so_far.outcomes, so_far.actions, unreadable)


async def _ask(provider: BarProvider, request: BarRequest, so_far: _Fetched) -> tuple[str, ...]:
    """Fetch once; return the symbols to try again."""
    try:
        with watched_request(provider.name):
            fetched = await provider.fetch_bars(request)
    except ProviderError as e:
        so_far.limited = e if isinstance(e, RateLimited) else None
        outcome = Outcome.RATE_LIMITED if so_far.limited else Outcome.PROVIDER_ERROR
        _note(so_far, request.symbols, outcome, e.message)
        so_far.retry_after_s = e.retry_after_s or 0.0
        return request.symbols if e.retryable and so_far.retry_after_s <= _MAX_PAUSE_S else ()
    so_far.retry_after_s, so_far.limited = 0.0, None
    so_far.frames.append(fetched.bars)
    so_far.actions += fetched.actions
    so_far.unreadable += [] if fetched.unreadable is None else [fetched.unreadable]
    answered = set(fetched.bars["symbol"].unique()) if fetched.bars.height else set()
    for symbol in answered:
        so_far.outcomes.pop(symbol, None)
    silent = [s for s in request.symbols if s not in answered and s not in fetched.outcomes]
    _note(so_far, silent, Outcome.PROVIDER_ERROR, "the provider returned neither bars nor a reason")
    for symbol, said in fetched.outcomes.items():
        _note(so_far, [symbol], said.outcome, said.message)
    return tuple(s for s in request.symbols if s in so_far.outcomes and so_far.outcomes[s].outcome in _RETRYABLE)


def _hand_up_pause(so_far: _Fetched, patience_s: float) -> None:
    """Raise RateLimited if the last try ended with a pause that is at most `patience_s`."""
    if so_far.limited is None:
        return
    # After several tries the pause is at least 30 s, even if the provider names a shorter one.
    pause_s = max(so_far.retry_after_s, _MAX_PAUSE_S)
    if pause_s <= patience_s:
        raise RateLimited(so_far.limited.message, retry_after_s=pause_s) from so_far.limited


def _note(so_far: _Fetched, symbols: Sequence[str], outcome: Outcome, message: str) -> None:
    for symbol in symbols:
        so_far.outcomes[symbol] = SymbolOutcome(symbol, outcome, message=message, attempts=so_far.attempts)
