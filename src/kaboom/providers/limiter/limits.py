"""The limits of a provider: those of its capabilities, unless the settings override them."""

from kaboom.errors import ConfigurationError
from kaboom.providers.limiter.port import Limits
from kaboom.providers.registry import get_provider_spec, provider_names

_OFF = "off"


def parse_limits(provider: str, requests_per_minute: str, concurrency: str) -> Limits:
    """Return a provider's limits; two texts such as `jquants=120 yahoo=off` override them.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: a text names a provider that does not exist.

    """
    own = get_provider_spec(provider).capabilities
    at_once = _find(provider, concurrency, own.concurrency)
    # A setting is for a minute, also where the provider's own limit is for a second.
    if own.requests_per_second is not None and provider not in _parse(requests_per_minute):
        return Limits(own.requests_per_second, at_once, window_s=1.0)
    return Limits(_find(provider, requests_per_minute, own.requests_per_minute), at_once)


def _find(provider: str, text: str, own: int | None) -> int | None:
    said = _parse(text).get(provider)
    if said is None:
        return own
    return None if said == _OFF else int(said)


def _parse(text: str) -> dict[str, str]:
    by_provider = dict(part.split("=") for part in text.split())
    if unknown := by_provider.keys() - set(provider_names()):
        names = ", ".join(provider_names())
        raise ConfigurationError(f"a limit was set for provider {min(unknown)}, supported are {names}")
    return by_provider
