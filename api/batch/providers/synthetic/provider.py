"""The synthetic provider: Japanese equities that never existed, the same ones every time, offline."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

import polars as pl

from batch.market.interval import Interval
from batch.market.outcome import SymbolOutcome
from batch.market.universe import Market, load_universe
from batch.providers.base import BarRequest, Capabilities, FetchedBars
from batch.providers.registry import get_provider_spec
from batch.providers.synthetic.faults import SyntheticFaults
from batch.providers.synthetic.generator import Generated, Generator
from batch.providers.synthetic.listings import ListingBook, UniverseLookup
from batch.providers.synthetic.splits import find_splits
from batch.providers.synthetic.transport import TransportFaults

_NAME = "synthetic"


def _now() -> datetime:
    return datetime.now(UTC)


class SyntheticProvider:
    """A `BarProvider` whose bars are a pure function of seed, generator version, symbol and date.

    They obey the TSE's sessions, ticks, limits and auctions; 5m to 1d bars are exact sums of the 1m bars. A
    symbol that no listing names works too. Rows come by block of 100 symbols, session, symbol and time.
    """

    def __init__(
        self,
        *,
        seed: int,
        universe: UniverseLookup = load_universe,
        clock: Callable[[], datetime] = _now,
        faults: SyntheticFaults | None = None,
        transport: TransportFaults | None = None,
    ) -> None:
        """Take the seed; `universe` looks listings up, `clock` says what is over; no faults by default."""
        self._seed = seed
        self._generator = Generator(seed, ListingBook(universe), faults)
        self._clock = clock
        self._transport = transport or TransportFaults()

    @property
    def name(self) -> str:
        """`"synthetic"`."""
        return _NAME

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""
        return get_provider_spec(_NAME).capabilities

    async def fetch_universe(self, _market: Market, _session: date) -> tuple[str, ...] | None:
        """Return None: the symbols are those of the real listings."""
        return None

    async def fetch_sessions(self, _interval: Interval, _count: int, _until: date) -> tuple[date, ...] | None:
        """Return None: the sessions are those of the TSE."""
        return None

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the bars of a request that are closed by the clock.

        Raises:
            ProviderError: a planted transport fault; never without `transport`.

        """
        spoilt: Mapping[str, SymbolOutcome] = {}
        if request.symbols and request.sessions:
            if self._transport.latency_s:
                await asyncio.sleep(self._transport.draw_latency(self._seed, request))
            self._transport.raise_for_call(self._seed, request)
            spoilt = self._transport.draw_symbol_faults(self._seed, request)
        made = await asyncio.to_thread(self._generator.generate, request, self._clock())
        bars = made.bars.filter(~pl.col("symbol").is_in(list(spoilt))) if spoilt else made.bars
        return FetchedBars(bars, {**made.outcomes, **spoilt}, made.actions)

    def manifest_for(self, symbols: Sequence[str], sessions: Sequence[date], interval: Interval) -> pl.DataFrame:
        """Return the errors planted in such a request's data, in `MANIFEST_SCHEMA`; empty without faults."""
        return self._generate(BarRequest(tuple(symbols), interval, tuple(sessions))).manifest

    def split_events(self, symbols: Sequence[str], *, first: date, last: date) -> pl.DataFrame:
        """Return the stock splits from `first` to `last` inclusive: columns symbol, session, ratio.

        From that session on, raw prices are divided by `ratio`; bars are raw, so the jump is in them.
        """
        return find_splits(symbols, self._seed, first=first, last=last)

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _generate(self, request: BarRequest) -> Generated:
        return self._generator.generate(request, self._clock())
