"""A provider behind a rate limiter, for providers that make at most one request for each call."""

from datetime import date

from kaboom.market.interval import Interval
from kaboom.market.lists.universe import Market
from kaboom.providers.base import BarProvider, BarRequest, FetchedBars
from kaboom.providers.limiter.rate_limiter import NoRateLimit, RateLimiter


def limit_calls(provider: BarProvider, rate_limiter: RateLimiter) -> BarProvider:
    """Return a provider each of whose `fetch_bars` calls needs a permit; the provider itself if it has no limits.

    A call that makes several requests would count as one. A provider that makes them enters the rate limiter around
    each of its requests instead.
    """
    return provider if isinstance(rate_limiter, NoRateLimit) else RateLimitedProvider(provider, rate_limiter)


class RateLimitedProvider:
    """`BarProvider` that calls another one with a permit for each `fetch_bars`."""

    def __init__(self, provider: BarProvider, rate_limiter: RateLimiter) -> None:
        self._provider = self.limited = provider
        self._rate_limiter = rate_limiter
        self.name, self.capabilities = provider.name, provider.capabilities

    async def fetch_universe(self, market: Market, session: date) -> tuple[str, ...] | None:
        return await self._provider.fetch_universe(market, session)

    async def fetch_sessions(self, interval: Interval, count: int, until: date) -> tuple[date, ...] | None:
        return await self._provider.fetch_sessions(interval, count, until)

    async def fetch_bars(self, request: BarRequest) -> FetchedBars:
        """Return the provider's answer once there is a permit."""
        async with self._rate_limiter.permit():
            return await self._provider.fetch_bars(request)

    async def close(self) -> None:
        await self._rate_limiter.close()
        await self._provider.close()
