"""Asking a provider until it has answered for every symbol, or has had its chances."""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import polars as pl

from batch.errors import ProviderError, RateLimited
from batch.market.action import CorporateAction
from batch.market.bar import RAW_BAR_SCHEMA
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import BarProvider, BarRequest, FetchedBars
from batch.providers.watch import watched_request

_RETRYABLE = frozenset({Outcome.RATE_LIMITED, Outcome.PROVIDER_ERROR})
#: The longest pause between two tries of one slice; for a longer one the caller plans.
_MAX_PAUSE_S = 30.0


@dataclass(slots=True)
class _Answers:
    """What the tries have brought so far."""

    frames: list[pl.DataFrame]
    outcomes: dict[str, SymbolOutcome]
    actions: list[CorporateAction] = field(default_factory=list)
    attempts: int = 0
    retry_after_s: float = 0.0
    limited: RateLimited | None = None


async def fetch_all(
    provider: BarProvider, request: BarRequest, *, attempts: int, patience_s: float = 0.0
) -> FetchedBars:
    """Return the raw rows of a request, the outcome of every symbol that brought none, and the actions told.

    Raises:
        RateLimited: the provider wants to be left alone for `retry_after_s`, at most `patience_s`; ask all of it
            again after that. A longer pause is not waited for: the symbols have failed.

    """
    answers, waiting = _Answers([], {}), request.symbols
    while waiting and answers.attempts < attempts:
        if answers.attempts:
            await asyncio.sleep(_pause_s(answers))
        answers.attempts += 1
        asked = BarRequest(waiting, request.interval, request.sessions, answers.attempts)
        waiting = await _ask(provider, asked, answers)
    _hand_up_pause(answers, patience_s)
    rows = pl.concat(answers.frames) if answers.frames else pl.DataFrame(schema=RAW_BAR_SCHEMA)
    return FetchedBars(rows, answers.outcomes, answers.actions)


async def _ask(provider: BarProvider, request: BarRequest, answers: _Answers) -> tuple[str, ...]:
    """Ask once; return the symbols worth asking for again."""
    try:
        with watched_request(provider.name):
            fetched = await provider.fetch_bars(request)
    except ProviderError as e:
        answers.limited = e if isinstance(e, RateLimited) else None
        outcome = Outcome.RATE_LIMITED if answers.limited else Outcome.PROVIDER_ERROR
        _note(answers, request.symbols, outcome, e.message)
        answers.retry_after_s = e.retry_after_s or 0.0
        return request.symbols if e.retryable and answers.retry_after_s <= _MAX_PAUSE_S else ()
    answers.retry_after_s, answers.limited = 0.0, None
    answers.frames.append(fetched.bars)
    answers.actions += fetched.actions
    answered = set(fetched.bars["symbol"].unique()) if fetched.bars.height else set()
    for symbol in answered:
        answers.outcomes.pop(symbol, None)
    silent = [s for s in request.symbols if s not in answered and s not in fetched.outcomes]
    _note(answers, silent, Outcome.PROVIDER_ERROR, "the provider gave neither bars nor a reason")
    for symbol, said in fetched.outcomes.items():
        _note(answers, [symbol], said.outcome, said.message)
    return tuple(s for s in request.symbols if s in answers.outcomes and answers.outcomes[s].outcome in _RETRYABLE)


def _hand_up_pause(answers: _Answers, patience_s: float) -> None:
    """Raise the last answer where it asks for a pause that there is patience for."""
    if answers.limited is None:
        return
    # One that goes on after several tries is worth a real pause, whatever it names.
    pause_s = max(answers.retry_after_s, _MAX_PAUSE_S)
    if pause_s <= patience_s:
        raise RateLimited(answers.limited.message, retry_after_s=pause_s) from answers.limited


def _note(answers: _Answers, symbols: Sequence[str], outcome: Outcome, message: str) -> None:
    for symbol in symbols:
        answers.outcomes[symbol] = SymbolOutcome(symbol, outcome, message=message, attempts=answers.attempts)


def _pause_s(answers: _Answers) -> float:
    # Jitter, so that workers that failed together do not come back together.
    backoff = min(0.25 * 2**answers.attempts, _MAX_PAUSE_S)
    return answers.retry_after_s + random.uniform(backoff / 2, backoff)  # noqa: S311  not a secret
