"""The port to sources of bars: capabilities, requests and answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from kaboom.market.action import CorporateAction
from kaboom.market.disclosure import Disclosures
from kaboom.market.interval import Interval
from kaboom.market.lists.snapshot import Snapshot
from kaboom.market.lists.universe import Market
from kaboom.market.outcome import SymbolOutcome

if TYPE_CHECKING:
    # The API reads capabilities to validate names, and starts without polars.
    import polars as pl

#: With about this many symbols, the last round is a small part of a call, and little work is repeated after a crash.
_SYMBOLS_IN_ROUNDS = 50


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a provider can do. The planner reads this and has no special case for any provider.

    Attributes:
        intervals: bar lengths it serves.
        markets: sections it serves.
        bulk_by_session: intervals for which one request returns a session of all symbols. A chunk is then all symbols
            of one session; for other intervals it is some symbols over all sessions.
        bulk_by_month: intervals for which one request returns a month of all symbols. A chunk is then all symbols over
            the sessions of a month.
        bulk_least_symbols: interval → the number of symbols from which whole sessions are requested; 1 by default.
        symbols_per_fetch: how many symbols one `fetch_bars` call should have.
        reach_days: interval → how many days back from now there are bars; no limit if it is not named.
        requests_per_minute: most requests to it in any minute, over all processes; None for no limit.
        requests_per_second: the same in any second, in place of `requests_per_minute`.
        concurrency: most requests to it at once, over all processes; None for no limit.
        knows_listings: whether it reports which symbols were listed on a session. Other providers are not asked for
            symbols that are known not to have been listed.
        follows_lists: whether it has bars of exactly the symbols that Kaboom's dated lists have on a session.
        delay: how long after the close the bars of a session are final.
        is_live: whether bars come during a session, `delay` late. Otherwise they come when it is over.

    """

    intervals: frozenset[Interval]
    markets: frozenset[Market]
    bulk_by_session: frozenset[Interval] = frozenset()
    bulk_by_month: frozenset[Interval] = frozenset()
    bulk_least_symbols: Mapping[Interval, int] = field(default_factory=dict)
    symbols_per_fetch: int = 50
    reach_days: Mapping[Interval, int] = field(default_factory=dict)
    requests_per_minute: int | None = None
    requests_per_second: int | None = None
    concurrency: int | None = None
    knows_listings: bool = False
    follows_lists: bool = False
    delay: timedelta = timedelta()
    is_live: bool = False

    def __post_init__(self) -> None:
        """Reject two limits of requests.

        Raises:
            ValueError: both a limit for a minute and one for a second are given.

        """
        if self.requests_per_minute is not None and self.requests_per_second is not None:
            raise ValueError("requests_per_minute and requests_per_second were given, expected one of them")

    def is_bulk(self, interval: Interval, symbols: int) -> bool:
        """Return whether whole sessions are requested for this many symbols."""
        return interval in self.bulk_by_session and symbols >= self.bulk_least_symbols.get(interval, 1)

    def asked_at_once(self, concurrency: int | None) -> "Capabilities":
        """Return the capabilities with another number of requests at once, None for the provider's own.

        A call waits for its last request before the next call begins. With more requests at once than its own, a call
        has eight rounds of them, or two if there are very many.
        """
        if concurrency is None or concurrency <= (self.concurrency or 0):
            return replace(self, concurrency=concurrency or self.concurrency)
        symbols = max(self.symbols_per_fetch, 2 * concurrency, min(8 * concurrency, _SYMBOLS_IN_ROUNDS))
        return replace(self, concurrency=concurrency, symbols_per_fetch=symbols)


@dataclass(frozen=True, slots=True)
class BarRequest:
    """Bars of one interval for some symbols over some sessions (oldest first), which a caller may have named."""

    symbols: tuple[str, ...]
    interval: Interval
    sessions: tuple[date, ...]
    attempt: int = 1
    is_named: bool = False


@dataclass(frozen=True, slots=True)
class FetchedBars:
    """A provider's answer: rows in `RAW_BAR_SCHEMA`, and the outcome of each symbol without rows.

    A provider that reads files adds the columns of `PLACE_SCHEMA`, so that a rejected row names its file and line.

    A symbol with rows needs no outcome. A symbol with neither counts as `provider_error`. `actions` are the corporate
    actions whose ex-session was requested. `unreadable` are the rows of files
    that cannot be read, in `RAW_BAR_SCHEMA` and `PLACE_SCHEMA`.
    """

    bars: "pl.DataFrame"
    outcomes: Mapping[str, SymbolOutcome] = field(default_factory=dict)
    actions: Sequence[CorporateAction] = ()
    unreadable: "pl.DataFrame | None" = None


class BarProvider(Protocol):
    """A source of bars. Its `name` is stored with every bar."""

    @property
    def name(self) -> str:
        """The namespace of its bars: lower case, never changed."""
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
        """Return the bars of the request that the provider has.

        Raises:
            ProviderError: the whole call failed. `retryable` says whether to try again, and
                `RateLimited.retry_after_s` when.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


@runtime_checkable
class OwnDataProvider(Protocol):
    """A source that knows all that it has: the user's own files."""

    async def fetch_left_out(self) -> Sequence[str]:
        """Return a sentence for each part that is left out: of no known symbol, or of no known use, such as ticks.

        Raises:
            ProviderError: the provider could not list what it has.

        """
        ...

    async def fetch_days(self, symbols: Collection[str] = ()) -> Mapping[Interval, Mapping[date, int]]:
        """Return for each interval its days, oldest first, with the number of rows: of all symbols, or of these.

        Raises:
            ProviderError: the provider could not list what it has.

        """
        ...

    async def fetch_names(self) -> Mapping[str, str]:
        """Return the names of those symbols for which it has one.

        Raises:
            ProviderError: the provider could not list what it has.

        """
        ...


def find_own_data(provider: BarProvider) -> OwnDataProvider | None:
    """Return a provider, or the one that it limits, if it knows all that it has."""
    source = getattr(provider, "limited", provider)
    return source if isinstance(source, OwnDataProvider) else None


@runtime_checkable
class MasterProvider(Protocol):
    """A source of the list of issues; providers with `ProviderSpec.has_master` are such sources."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    async def fetch_master(self, session: date) -> Snapshot:
        """Return all ordinary shares of the three TSE markets as of a session.

        Raises:
            ProviderError: the provider failed, or returned the list of another day.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...


class DisclosureKind(StrEnum):
    """A kind of what a provider has disclosures of; a plan of a key may lack some."""

    STATEMENTS = "statements"
    ANNOUNCEMENTS = "announcements"
    DIVIDENDS = "dividends"


@runtime_checkable
class DisclosureProvider(Protocol):
    """A source of statements and events; providers with `ProviderSpec.has_disclosures` are such sources."""

    @property
    def name(self) -> str:
        """The provider's name."""
        ...

    async def fetch_day(self, day: date, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return what companies disclosed on a calendar day in Japan.

        Raises:
            ProviderError: the provider failed, or refused a kind that the key's plan lacks.

        """
        ...

    async def fetch_company(self, symbol: str, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return all that a company has disclosed.

        Raises:
            ProviderError: as `fetch_day`.

        """
        ...

    async def close(self) -> None:
        """Release connections."""
        ...
