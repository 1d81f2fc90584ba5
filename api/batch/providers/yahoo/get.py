"""Yahoo's answers, as JSON."""

from collections.abc import Mapping
from typing import Any

from batch.kit.http.client import HttpClient
from batch.providers.limiter.rate_limiter import RateLimiter
from batch.providers.replies import Server
from batch.providers.wire import ProviderWire
from batch.providers.yahoo.query import ChartQuery

YAHOO_SERVER = Server("yahoo", "Yahoo rejects some callers; no setting of Kaboom changes that")
#: With these statuses Yahoo returns a reason in JSON.
_EXPLAINED = frozenset({200, 400, 404, 422})
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Kaboom)"}
_MOST_BYTES = 16 << 20


class YahooSource:
    """Gets charts."""

    def __init__(self, wire: ProviderWire) -> None:
        self._wire = wire

    @classmethod
    def connect(cls, base_url: str, rate_limiter: RateLimiter, *, connections: int = 8) -> "YahooSource":
        """Return a source at an address; nothing is opened yet."""
        client = HttpClient(base_url.rstrip("/"), timeout_s=30.0, max_bytes=_MOST_BYTES, connections=connections)
        return cls(ProviderWire(client, YAHOO_SERVER, rate_limiter, headers=_HEADERS))

    async def fetch_chart(self, query: ChartQuery) -> Mapping[str, Any]:
        """Return a chart, or Yahoo's reason why there is none.

        Raises:
            ProviderError: see `ProviderWire.get`.

        """
        return await self._wire.get(query.path, query.params, accept=_EXPLAINED)

    async def close(self) -> None:
        """Release the connections."""
        await self._wire.close()
