"""Trying a provider: a few small, separate requests, to see what a key and its plan allow."""

import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum

from kaboom.errors import ProviderError
from kaboom.market.calendar import last_sessions, latest_closed_session
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarProvider, BarRequest, Capabilities, FetchedBars

#: How far back bars are requested, in days; plans differ in this.
_AGES = (0, 100, 366, 731, 1_827, 3_653)
_SESSIONS = 5


class Question(StrEnum):
    """The kind of a request to a provider."""

    SYMBOLS = "symbols"
    SESSIONS = "sessions"
    BARS = "bars"


@dataclass(frozen=True, slots=True)
class Trial:
    """One request to a provider, and its answer.

    Attributes:
        session: the session of the symbols or bars requested, or the last one of the sessions requested.
        interval: of bars; None for other requests.
        rows: symbols, sessions or bars in the answer; None if Kaboom's own list or calendar is used.
        outcome: `ok`, or why there are no bars: an outcome of symbols, such as `not_listed`.
        message: the reason of a failure.
        seconds: how long it took.

    """

    question: Question
    session: date
    interval: Interval | None = None
    rows: int | None = None
    outcome: Outcome = Outcome.OK
    message: str = ""
    seconds: float = 0.0


async def try_provider(provider: BarProvider, symbol: str, *, now: datetime) -> AsyncIterator[Trial]:
    """Yield each request as it is answered; after a failure the other requests are still made.

    Bars of 1d and 1m are requested, if the provider serves them: of the newest session that it may have by now, and of
    sessions up to ten years before, one request each.
    """
    can = provider.capabilities
    newest = latest_closed_session(now, delay_s=can.delay.total_seconds())
    market = min(can.markets, key=list(Market).index)
    yield await _ask(Trial(Question.SYMBOLS, newest), provider.fetch_universe(market, newest))
    yield await _ask(Trial(Question.SESSIONS, newest), provider.fetch_sessions(Interval.D1, _SESSIONS, newest))
    for interval, session in _find_spans(can, newest):
        asked = Trial(Question.BARS, session, interval)
        yield await _ask(asked, provider.fetch_bars(BarRequest((symbol,), interval, (session,))))


def _find_spans(can: Capabilities, newest: date) -> Iterator[tuple[Interval, date]]:
    for interval in (Interval.D1, Interval.M1):
        reach = can.reach_days.get(interval)
        for age in _AGES:
            if interval in can.intervals and (reach is None or age < reach):
                yield interval, last_sessions(1, newest - timedelta(days=age))[0]


async def _ask(asked: Trial, answer: Awaitable[tuple[object, ...] | FetchedBars | None]) -> Trial:
    begun_at = time.monotonic()
    try:
        answered = _read(asked, await answer)
    except ProviderError as e:
        answered = replace(asked, outcome=Outcome.PROVIDER_ERROR, message=e.message)
    return replace(answered, seconds=time.monotonic() - begun_at)


def _read(asked: Trial, found: tuple[object, ...] | FetchedBars | None) -> Trial:
    if not isinstance(found, FetchedBars):
        return replace(asked, rows=None if found is None else len(found))
    if found.bars.height:
        return replace(asked, rows=found.bars.height)
    why = next(iter(found.outcomes.values()), None)
    outcome, message = (why.outcome, why.message) if why else (Outcome.PROVIDER_ERROR, "")
    return replace(asked, rows=0, outcome=outcome, message=message)
