"""Builds the Yahoo provider."""

from batch.providers.base import BarProvider
from batch.providers.spec import ProviderParts
from batch.providers.yahoo.get import YahooSource
from batch.providers.yahoo.provider import YahooProvider
from batch.providers.yahoo.spec import YahooSettings


def build(parts: ProviderParts[YahooSettings]) -> BarProvider:
    """Return the provider."""
    server = parts.settings.yahoo_base_url
    source = YahooSource.connect(server, parts.rate_limiter, connections=parts.connections)
    return YahooProvider(source, concurrency=parts.concurrency)
