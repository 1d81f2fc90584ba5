"""The limits of a provider: those of its capabilities, unless the settings override them."""

from batch.errors import ConfigurationError
from batch.providers.limiter.port import Limits
from batch.providers.registry import get_provider_spec, provider_names

_OFF = "off"


def parse_limits(provider: str, requests_per_minute: str, concurrency: str) -> Limits:
    """Return a provider's limits; two texts such as `jquants=120 yahoo=off` override them.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: a text names a provider that does not exist.

    """
    own = get_provider_spec(provider).capabilities
    return Limits(
        requests=_override(provider, own.requests_per_minute, requests_per_minute),
        concurrency=_override(provider, own.concurrency, concurrency),
    )


def _override(provider: str, own: int | None, text: str) -> int | None:
    by_provider = dict(part.split("=") for part in text.split())
    if unknown := by_provider.keys() - set(provider_names()):
        names = ", ".join(provider_names())
        raise ConfigurationError(f"a limit was set for provider {min(unknown)}, supported are {names}")
    said = by_provider.get(provider)
    if said is None:
        return own
    return None if said == _OFF else int(said)
