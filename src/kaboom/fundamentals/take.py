"""Taking statements and events: days or symbols in chunks, each item fetched and stored by itself."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import batched
from typing import Any

from kaboom.disclosures.model import DisclosureStore
from kaboom.drivers.clock import utc_now
from kaboom.drivers.retry import backoff_s
from kaboom.drivers.stop import ShouldStop
from kaboom.errors import ProviderError, RateLimited
from kaboom.fundamentals.request import FundamentalsRequest
from kaboom.market.calendar import JST
from kaboom.market.disclosure import Disclosures
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.providers.base import DisclosureKind, DisclosureProvider
from kaboom.providers.watch import watched_request

#: A chunk has some minutes of work at 60 requests a minute, three for each item.
_ITEMS = 60
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 30.0


@dataclass(frozen=True, slots=True)
class TakeChunk:
    """Some days, or some symbols, of a provider."""

    items: tuple[str, ...]
    provider: str
    kinds: tuple[str, ...]
    are_days: bool

    def payload(self) -> Mapping[str, Any]:
        """Return the chunk as JSON types, without its items."""
        return {"provider": self.provider, "kinds": list(self.kinds), "are_days": self.are_days}

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], items: Sequence[str]) -> "TakeChunk":
        """Return the chunk of a `payload`."""
        return cls(tuple(items), payload["provider"], tuple(payload["kinds"]), payload["are_days"])


@dataclass(frozen=True, slots=True)
class TakePlan:
    """The plan of a request."""

    chunks: tuple[TakeChunk, ...]
    provider: str
    first: date | None
    last: date | None
    symbols: int

    def summary(self) -> Mapping[str, Any]:
        """Return the plan as JSON types, without its chunks."""
        days = {"first": self.first and self.first.isoformat(), "last": self.last and self.last.isoformat()}
        return {"chunks": len(self.chunks), "provider": self.provider, "symbols": self.symbols} | days


def plan_take(request: FundamentalsRequest, provider: str) -> TakePlan:
    """Return the plan of a request; the newest day comes first."""
    first = last = None
    items: tuple[str, ...] = request.symbols or ()
    if not items:
        last = request.session or utc_now().astimezone(JST).date()
        first = last - timedelta(days=request.days - 1)
        items = tuple((last - timedelta(days=n)).isoformat() for n in range(request.days))
    are_days = not request.symbols
    chunks = (TakeChunk(part, provider, tuple(request.kinds), are_days) for part in batched(items, _ITEMS))
    return TakePlan(tuple(chunks), provider, first, last, 0 if are_days else len(items))


@dataclass(frozen=True, slots=True)
class TakeTools:
    """What a chunk is taken with.

    Attributes:
        attempts: how often an item is asked for.
        patience_s: the longest pause to wait for, if the provider wants one.

    """

    provider: DisclosureProvider
    store: DisclosureStore
    attempts: int
    patience_s: float


async def take_chunk(
    chunk: TakeChunk,
    tools: TakeTools,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: ShouldStop,
) -> OutcomeReport:
    """Run a chunk from its item number `start`; return the outcomes from there on.

    After the rows of each item are stored, `on_progress` gets the report so far.

    Raises:
        RateLimited: the provider wants a pause of `retry_after_s`, at most `tools.patience_s`; continue after the
            items of the last report. Of a longer pause the items are rate-limited.
        StoreError: the store is unavailable; continue in the same way.

    """
    report = OutcomeReport()
    for item in chunk.items[start:]:
        if should_stop():
            break
        report += await _take(item, chunk, tools)
        on_progress(report)
    return report


async def _take(item: str, chunk: TakeChunk, tools: TakeTools) -> OutcomeReport:
    attempt = 0
    while True:
        attempt += 1
        try:
            found = await _fetch(item, chunk, tools.provider)
        except RateLimited as e:
            pause_s = max(e.retry_after_s or 0.0, _LONGEST_PAUSE_S)
            if pause_s <= tools.patience_s:
                raise RateLimited(e.message, retry_after_s=pause_s) from e
            return _failed(item, Outcome.RATE_LIMITED, e, attempt)
        except ProviderError as e:
            if not e.retryable or attempt >= tools.attempts:
                return _failed(item, Outcome.PROVIDER_ERROR, e, attempt)
            await asyncio.sleep(backoff_s(attempt - 1, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S))
        else:
            # Not `rows`, which are bars.
            written = await tools.store.save(tools.provider.name, found, now=utc_now())
            return OutcomeReport((SymbolOutcome(item, Outcome.OK, attempts=attempt),), {"documents": written})


def _failed(item: str, outcome: Outcome, error: ProviderError, attempts: int) -> OutcomeReport:
    return OutcomeReport((SymbolOutcome(item, outcome, message=error.message, attempts=attempts),))


async def _fetch(item: str, chunk: TakeChunk, provider: DisclosureProvider) -> Disclosures:
    kinds = [DisclosureKind(kind) for kind in chunk.kinds]
    with watched_request(provider.name):
        if chunk.are_days:
            return await provider.fetch_day(date.fromisoformat(item), kinds)
        return await provider.fetch_company(item, kinds)
