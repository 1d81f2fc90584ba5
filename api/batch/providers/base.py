"""The port to sources of bars: what a provider can do, what it is asked, what it answers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from batch.market.action import CorporateAction
from batch.market.interval import Interval
from batch.market.outcome import SymbolOutcome
from batch.market.snapshot import Snapshot
from batch.market.universe import Market

if TYPE_CHECKING:
    # The API reads capabilities to validate names, and starts without polars.
    import polars as pl

#: Of so many symbols a call's end is a small part of it, and what a crash repeats is little.
_SYMBOLS_IN_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do; the planner reads it, so that no provider needs a special case.

    Attributes:
        intervals: bar lengths it serves.
        markets: sections it serves.
        bulk_by_session: intervals of which one call brings a whole session of every symbol, so a chunk is all
            symbols of one session; of the others a chunk is some symbols over all sessions.
        bulk_by_month: intervals of which one call brings a month of sessions as well, so a chunk is all symbols over
            the sessions of a month.
        bulk_least_symbols: interval → from how many symbols on its sessions are asked for as a whole; 1 where none
            is named.
        symbols_per_fetch: how many symbols one `fetch_bars` call should carry.
        reach_days: interval → how many days back from now there are bars; all there ever were where not named.
        requests_per_minute: most requests to it in any minute, over all processes; None for no limit.
        concurrency: most requests to it at once, over all processes; None for no limit.
        knows_listings: whether it says itself which symbols were listed on a session. Of any other, those that are
            known not to have been are not asked for.
        delay: how long after its close a session's bars are as the provider will leave them. What was asked for
            earlier is not final.
        is_live: whether bars within a session come while it lasts, `delay` late; else when it is over.

    """

    intervals: frozenset[Interval]
    markets: frozenset[Market]
    bulk_by_session: frozenset[Interval] = frozenset()
    bulk_by_month: frozenset[Interval] = frozenset()
    bulk_least_symbols: Mapping[Interval, int] = field(default_factory=dict)
    symbols_per_fetch: int = 50
    reach_days: Mapping[Interval, int] = field(default_factory=dict)
    requests_per_minute: int | None = None
    concurrency: int | None = None
    knows_listings: bool = False
    delay: timedelta = timedelta()
    is_live: bool = False

    def is_bulk(self, interval: Interval, symbols: int) -> bool:
        """Return whether sessions of so many symbols are asked for as a whole."""
        return interval in self.bulk_by_session and symbols >= self.bulk_least_symbols.get(interval, 1)

    def asked_at_once(self, concurrency: int | None) -> "Capabilities":
        """Return them for so many requests at once, None for its own.

        The next call's requests wait for the last one of a call: for more at once than its own, a call carries eight
        rounds of them, two of very many.
        """
        if concurrency is None or concurrency <= (self.concurrency or 0):
            return replace(self, concurrency=concurrency or self.concurrency)
        symbols = max(self.symbols_per_fetch, 2 * concurrency, min(8 * concurrency, _SYMBOLS_IN_ROUNDS))
        return replace(self, concurrency=concurrency, symbols_per_fetch=symbols)


@dataclass(frozen=True, slots=True)
class BarRequest:
    """Bars of one interval for some symbols over some sessions (oldest first)."""

    symbols: tuple[str, ...]
    interval: Interval
    sessions: tuple[date, ...]
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class FetchedBars:
    """A provider's answer: rows in `RAW_BAR_SCHEMA`, and a word on each symbol that brought none.

    A symbol with rows needs no outcome; one with neither rows nor an outcome counts as `provider_error`. `actions`
    are the corporate actions that came with the rows, those whose ex-session was asked for.
    """

    bars: "pl.DataFrame"
    outcomes: Mapping[str, SymbolOutcome] = field(default_factory=dict)
    actions: Sequence[CorporateAction] = ()


class BarProvider(Protocol):
    """A source of bars. Its `name` is stored with every bar."""

    @property
    def name(self) -> str:
        """The namespace of its bars: lower case, stable for ever."""
        ...

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        ...

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        """Return the symbols of a market as of a session, or None to use Kaboom's own listing snapshot."""
        ...

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        """Return its last `count` sessions up to `until`, oldest first, or None to use the TSE calendar."""
        ...

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return what the provider has of the request.

        Raises:
            ProviderError: the whole call failed; `retryable` says whether to try again, and
                `RateLimited.retry_after_s` when.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@runtime_checkable
class MasterProvider(Protocol):
    """A source of the list of what is listed; `ProviderSpec.has_master` says which providers are one."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    async def fetch_master(self, session: date) -> Snapshot:
        """Return all ordinary shares of the three TSE markets as of a session.

        Raises:
            ProviderError: the provider failed, or gave the list of another day.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
