"""A provider behind a gate, for one that makes one request for each call and knows of no gate itself."""

from datetime import date

from batch.market.interval import Interval
from batch.market.universe import Market
from batch.providers.base import BarProvider, BarRequest, Capabilities, FetchedBars
from batch.providers.limiter.gate import Gate


class PoliteProvider:
    """`BarProvider` that asks another one, each call of `fetch_bars` in its turn.

    Around a provider that makes several requests for a call it would count them as one: such a provider takes a
    `Gate` when it is built, and enters it around each of its requests.
    """

    def __init__(self, provider: BarProvider, gate: Gate) -> None:
        self._provider = provider
        self._gate = gate

    @property
    def name(self) -> str:
        return self._provider.name

    @property
    def capabilities(self) -> Capabilities:
        return self._provider.capabilities

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        return await self._provider.fetch_universe(market, session)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        return await self._provider.fetch_sessions(interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        async with self._gate.request():
            return await self._provider.fetch_bars(request)

    async def close(self) -> None:
        await self._gate.close()
        await self._provider.close()
