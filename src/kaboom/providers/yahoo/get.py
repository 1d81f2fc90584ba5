"""The wire to Yahoo."""

from kaboom.drivers.http.client import HttpClient
from kaboom.providers.limiter.rate_limiter import RateLimiter
from kaboom.providers.replies import Server
from kaboom.providers.wire import ProviderWire

YAHOO_SERVER = Server("yahoo", "Yahoo rejects some callers; no setting of Kaboom changes that")
#: With these statuses Yahoo returns a chart, or in JSON the reason why there is none.
EXPLAINED = frozenset({200, 400, 404, 422})
_HEADERS = {"User-Agent": "Mozilla/5.0 (compatible; Kaboom)"}
_MOST_BYTES = 16 << 20


def connect_yahoo(base_url: str, rate_limiter: RateLimiter, *, connections: int = 8) -> ProviderWire:
    """Return a wire to an address; nothing is opened yet."""
    client = HttpClient(base_url.rstrip("/"), timeout_s=30.0, max_bytes=_MOST_BYTES, connections=connections)
    return ProviderWire(client, YAHOO_SERVER, rate_limiter, headers=_HEADERS)
