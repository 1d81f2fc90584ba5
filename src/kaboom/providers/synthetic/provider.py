"""The synthetic provider: invented Japanese equities and indices, always the same, offline."""

import asyncio
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache

import numpy as np
import polars as pl
from numpy.typing import NDArray

from kaboom.drivers.clock import Clock, utc_now
from kaboom.market.bar import RAW_BAR_SCHEMA
from kaboom.market.calendar import JST, closes_at, is_session, last_sessions, sessions_between, utc_midnight
from kaboom.market.disclosure import Disclosures
from kaboom.market.indices import NIKKEI_225, TOPIX, is_index
from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market, load_universe
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarProvider, BarRequest, DisclosureKind, FetchedBars
from kaboom.providers.limiter.rate_limiter import limit_calls
from kaboom.providers.spec import ProviderParts
from kaboom.providers.synthetic.disclosures import make_company, make_day, only
from kaboom.providers.synthetic.generator import Generator, ListingBook, UniverseLookup
from kaboom.providers.synthetic.returns import market_returns
from kaboom.providers.synthetic.rng import Floats, Stream, bounded_normals, derive_keys, hash_words, uniform_pairs
from kaboom.providers.synthetic.spec import SPEC, SyntheticSettings

#: Index → the level that it comes back to: the broad market, its largest issues, its young ones, and Nikkei 225.
_LEVELS = {TOPIX: 2700.0, "^0028": 1400.0, "^0070": 700.0, NIKKEI_225: 38_000.0}
OFFERED = tuple(sorted(_LEVELS))
_LEVEL = 2000.0

_OWN_SIGMA, _RANGE_SIGMA, _OVERNIGHT_SHARE = 0.003, 0.006, 0.4
_YEARLY_SIGMA, _PERSISTENCE, _MEMORY_YEARS = 0.12, 0.75, 20
_CACHED_YEARS = 256


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
        self._listings = ListingBook(universe)
        self._generator = Generator(seed, self._listings)
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

    async def fetch_day(self, day: date, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return what the listed companies disclosed on a day."""
        listed = self._listings.directory(last_sessions(1, day)[0])
        symbols = sorted(listed.scales.keys() - listed.delisted)
        return only(kinds, await asyncio.to_thread(make_day, self._seed, symbols, day, self._clock()))

    async def fetch_company(self, symbol: str, kinds: Collection[DisclosureKind]) -> Disclosures:
        """Return what a company has disclosed in ten fiscal years; nothing if it is not listed."""
        now = self._clock()
        listed = self._listings.directory(last_sessions(1, now.astimezone(JST).date())[0])
        if symbol not in listed.scales or symbol in listed.delisted:
            return Disclosures()
        return only(kinds, await asyncio.to_thread(make_company, self._seed, symbol, now))

    async def close(self) -> None:
        """Do nothing: there are no connections."""


def build(parts: ProviderParts[SyntheticSettings]) -> BarProvider:
    """Return the provider, with the imported listings."""
    provider = SyntheticProvider(
        seed=parts.settings.synthetic_seed,
        universe=lambda market, session: load_universe(market, session, imported_dir=parts.symbols_dir),
    )
    return limit_calls(provider, parts.rate_limiter)


@dataclass(frozen=True, slots=True)
class _Year:
    """A year of an index: its sessions, and open, high, low and close of each, in points; shape [4, S]."""

    sessions: tuple[date, ...]
    prices: Floats


def make_index_bars(seed: int, request: BarRequest, now: datetime) -> FetchedBars:
    """Return the daily bars of indices that are closed at `now` (aware), by symbol and session; their volume is 0."""
    closed = [
        day
        for day in dict.fromkeys(request.sessions)
        if is_session(day) and closes_at(day) + SPEC.capabilities.delay <= now
    ]
    rows = [
        (symbol, utc_midnight(day), *_prices(seed, symbol, day), 0.0) for symbol in request.symbols for day in closed
    ]
    bars = pl.DataFrame(rows, schema=RAW_BAR_SCHEMA, orient="row")
    nothing = () if closed else request.symbols
    return FetchedBars(bars, {symbol: SymbolOutcome(symbol, Outcome.NO_TRADES) for symbol in nothing})


def _prices(seed: int, symbol: str, day: date) -> Sequence[float]:
    year = _build_year(seed, symbol, day.year)
    found: list[float] = year.prices[:, year.sessions.index(day)].tolist()
    return found


@lru_cache(maxsize=_CACHED_YEARS)
def _build_year(seed: int, symbol: str, year: int) -> _Year:
    """Return a year as a bridge from its first level to the next year's, as those of issues are."""
    sessions = sessions_between(date(year, 1, 1), date(year, 12, 31))
    ordinals = np.array([day.toordinal() for day in sessions], dtype=np.int64)
    keys = derive_keys(seed, [symbol])
    first, last = (_level(keys[0], symbol, each) for each in (year, year + 1))
    own = _OWN_SIGMA * bounded_normals(hash_words(keys, Stream.RETURN, ordinals))
    walk = np.cumsum(market_returns(seed, ordinals) + own)
    walk += (np.log(last / first) - walk[-1]) * np.arange(1, walk.size + 1) / walk.size
    close = np.round(first * np.exp(walk), 2)
    before = np.append(np.round(first, 2), close[:-1])
    noise = 0.2 * _RANGE_SIGMA * bounded_normals(hash_words(keys, Stream.OPEN, ordinals))
    opens = np.round(before * np.exp(_OVERNIGHT_SHARE * np.log(close / before) + noise), 2)
    return _Year(sessions, np.stack([opens, *_extremes(keys, ordinals, opens, close), close]))


def _extremes(
    keys: NDArray[np.uint64], ordinals: NDArray[np.int64], opens: Floats, close: Floats
) -> tuple[Floats, Floats]:
    # The exact law of the extremes of a Brownian bridge from open to close, as in `daily`.
    up, down = uniform_pairs(hash_words(keys, Stream.RANGE, ordinals))
    move, variance = np.log(close / opens), 2 * _RANGE_SIGMA**2
    high = opens * np.exp(0.5 * (move + np.sqrt(move**2 - variance * np.log(up))))
    low = opens * np.exp(0.5 * (move - np.sqrt(move**2 - variance * np.log(down))))
    return np.maximum(np.round(high, 2), np.maximum(opens, close)), np.minimum(
        np.round(low, 2), np.minimum(opens, close)
    )


def _level(key: np.uint64, symbol: str, year: int) -> float:
    """Return the last close of the year before: the index's level, and 20 years of shocks that fade."""
    ages = np.arange(_MEMORY_YEARS)
    shocks = bounded_normals(hash_words(np.array([key]), Stream.YEAR, year - 1 - ages))
    faded = _YEARLY_SIGMA * float(np.sum(_PERSISTENCE**ages * shocks))
    return _LEVELS.get(symbol, _LEVEL) * float(np.exp(faded))
