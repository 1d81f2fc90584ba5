"""The synthetic provider: invented Japanese equities and indices, always the same, offline."""

import asyncio
from datetime import date

from kaboom.drivers.clock import Clock, utc_now
from kaboom.market.indices import is_index
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.limiter.limited_provider import limit_calls
from kaboom.providers.spec import ProviderParts
from kaboom.providers.synthetic.generator import Generator
from kaboom.providers.synthetic.indices import OFFERED, make_index_bars
from kaboom.providers.synthetic.listings import ListingBook, UniverseLookup
from kaboom.providers.synthetic.spec import SPEC, SyntheticSettings


class SyntheticProvider:
    """A `BarProvider` whose bars are a pure function of seed, generator version, symbol and date.

    They obey the TSE's sessions, ticks, limits and auctions; 5m to 1d bars are exact sums of the 1m bars. A
    symbol has bars on the sessions whose symbol list has it. Rows come by block of 100 symbols, session, symbol and
    time.
    """

    name = SPEC.name
    capabilities = SPEC.capabilities

    def __init__(self, *, seed: int, universe: UniverseLookup = load_universe, clock: Clock = utc_now) -> None:
        """Take the seed; `universe` looks up listings, `clock` says which bars are closed."""
        self._seed = seed
        self._generator = Generator(seed, ListingBook(universe))
        self._clock = clock

    async def fetch_universe(self, market: Market, _session: date) -> tuple[str, ...] | None:
        """Return four indices for market INDEX; None for a section, whose symbols are those of the real listings."""
        return OFFERED if market is Market.INDEX else None

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return None: the sessions are those of the TSE."""
        return None

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the bars of a request, of issues or of indices, that are closed by the clock."""
        if request.symbols and all(map(is_index, request.symbols)):
            return await asyncio.to_thread(make_index_bars, self._seed, request, self._clock())
        return await asyncio.to_thread(self._generator.generate, request, self._clock())

    async def close(self) -> None:
        """Do nothing: there are no connections."""


def build(parts: ProviderParts[SyntheticSettings]) -> BarProvider:
    """Return the provider, with the imported listings."""
    provider = SyntheticProvider(
        seed=parts.settings.synthetic_seed,
        universe=lambda market, session: load_universe(market, session, imported_dir=parts.symbols_dir),
    )
    return limit_calls(provider, parts.rate_limiter)
