"""The composition root of providers: settings to the providers of bars and of lists of issues."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from kaboom.domain_settings import BatchSettings
from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import ConfigurationError
from kaboom.providers.base import BarProvider, DisclosureProvider, MasterProvider
from kaboom.providers.limiter.memory import MemoryPermitStore
from kaboom.providers.limiter.port import Limits, PermitStore, parse_limits
from kaboom.providers.limiter.rate_limiter import NoRateLimit, RateLimiter, SharedRateLimiter
from kaboom.providers.limiter.redis import RedisPermitStore
from kaboom.providers.registry import check_has_disclosures, check_has_master, get_provider_spec, provider_specs
from kaboom.providers.spec import ProviderParts, ProviderSettings

type _Build = Callable[[ProviderParts[ProviderSettings]], BarProvider]


def _load(build: str) -> _Build:
    module, _, function = build.partition(":")
    loaded: _Build = getattr(import_module(module), function)
    return loaded


#: Loaded with this module, which a worker imports before it forks: its processes share 27 MB of modules.
_BUILDERS = {spec.name: _load(spec.build) for spec in provider_specs()}


def build_provider(settings: BatchSettings, name: str | None = None) -> BarProvider:
    """Return the provider of a name, or the configured one; one for each process and configuration.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: a setting of the provider is missing.

    """
    spec = get_provider_spec(name or settings.provider)
    if lacking := settings.lacking_for(spec.name):
        raise ConfigurationError(lacking)
    folders = (settings.data_dir, settings.symbols_dir)
    per_minute, concurrency = settings.provider_requests_per_minute or "", settings.provider_concurrency or ""
    limits = parse_limits(spec.name, per_minute, concurrency)
    return _provider(spec.name, settings.of_provider(spec.name), folders, limits, settings.shared_redis_url)


def build_master(settings: BatchSettings, name: str) -> MasterProvider:
    """Return the provider of a name as a source of the list of issues.

    Raises:
        InvalidRequest: no provider has this name, or it has no such list.
        ConfigurationError: a setting of the provider is missing.

    """
    provider = build_provider(settings, check_has_master(name).name)
    if not isinstance(provider, MasterProvider):
        raise ConfigurationError(f"provider {name} has no fetch_master, expected one: its spec says has_master")
    return provider


def build_disclosures(settings: BatchSettings, name: str) -> DisclosureProvider:
    """Return the provider of a name as a source of statements and events.

    Raises:
        InvalidRequest: no provider has this name, or it has none.
        ConfigurationError: a setting of the provider is missing.

    """
    provider = build_provider(settings, check_has_disclosures(name).name)
    # A provider of local data is limited call by call; its disclosures cost nothing.
    source = getattr(provider, "limited", provider)
    if not isinstance(source, DisclosureProvider):
        raise ConfigurationError(f"provider {name} has no fetch_day, expected one: its spec says has_disclosures")
    return source


@cache
def _provider(
    name: str, own: ProviderSettings, folders: tuple[Path, Path], limits: Limits, redis_url: str | None
) -> BarProvider:
    limiter: RateLimiter = NoRateLimit()
    if not limits.are_none:
        limiter = SharedRateLimiter(name, _permit_store(name, limits, redis_url))
    return _BUILDERS[name](ProviderParts(own, *folders, limiter, limits.concurrency))


@cache
def _permit_store(provider: str, limits: Limits, redis_url: str | None) -> PermitStore:
    if redis_url is None:
        return MemoryPermitStore(limits)
    return RedisPermitStore(provider, limits, lambda: connect_redis(redis_url, client_name=f"kaboom-{provider}"))
