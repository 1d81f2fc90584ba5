"""Builds the synthetic provider."""

from batch.kit.clock import utc_now
from batch.market.lists.universe import load_universe
from batch.providers.base import BarProvider
from batch.providers.limiter.limited_provider import limit_calls
from batch.providers.spec import ProviderParts
from batch.providers.synthetic.provider import SyntheticProvider
from batch.providers.synthetic.spec import SyntheticSettings


def build(parts: ProviderParts[SyntheticSettings]) -> BarProvider:
    """Return the provider, with the imported listings."""
    provider = SyntheticProvider(
        seed=parts.settings.synthetic_seed,
        universe=lambda market, session: load_universe(market, session, imported_dir=parts.symbols_dir),
        clock=utc_now,
    )
    return limit_calls(provider, parts.rate_limiter)
