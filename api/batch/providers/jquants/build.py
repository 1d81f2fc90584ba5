"""Builds the J-Quants provider."""

from batch.errors import ConfigurationError
from batch.providers.base import BarProvider
from batch.providers.jquants.bulk import JquantsBulk
from batch.providers.jquants.get import JquantsSource
from batch.providers.jquants.provider import JquantsProvider
from batch.providers.jquants.shelf import JquantsShelf
from batch.providers.jquants.spec import SPEC, JquantsSettings
from batch.providers.spec import ProviderParts


def build(parts: ProviderParts[JquantsSettings]) -> BarProvider:
    """Return the provider, with bulk files if they are turned on.

    Raises:
        ConfigurationError: there is no key.

    """
    settings, limiter = parts.settings, parts.rate_limiter
    if settings.jquants_api_key is None:
        raise ConfigurationError(SPEC.find_lacking(settings) or "")
    key = settings.jquants_api_key.get_secret_value()
    source = JquantsSource.connect(settings.jquants_base_url, key, limiter, connections=parts.connections)
    shelf = JquantsShelf(source, limiter, parts.data_dir / "jquants-bulk")
    bulk = JquantsBulk(source, shelf) if settings.jquants_bulk else None
    return JquantsProvider(source, concurrency=parts.concurrency, bulk=bulk)
