"""The composition root of the domain: settings to providers and the tools of an ingest."""

from collections.abc import Callable
from functools import cache
from importlib import import_module
from pathlib import Path

from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.drivers.redis.client import connect_redis
from kaboom.errors import ConfigurationError
from kaboom.ingest.resolve import Planning
from kaboom.ingest.window import IngestTools
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import Universe
from kaboom.providers.base import BarProvider, MasterProvider
from kaboom.providers.limiter.memory import MemoryPermitStore
from kaboom.providers.limiter.port import Limits, PermitStore, parse_limits
from kaboom.providers.limiter.rate_limiter import NoRateLimit, RateLimiter, SharedRateLimiter
from kaboom.providers.limiter.redis import RedisPermitStore
from kaboom.providers.registry import check_has_master, get_provider_spec, provider_specs
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


def build_planning(settings: BatchSettings, *, slots: int) -> Planning:
    """Return the inputs of planning."""
    return Planning(utc_now, settings.symbols_dir, settings.provider_delay_s, slots)


def build_tools(
    settings: BatchSettings, market: Market, universe: Universe | None, *, name: str, points: int
) -> IngestTools:
    """Return the tools for running a chunk: `universe` gives tick sizes by class, `name` is the provider."""
    provider = build_provider(settings, name)
    return IngestTools(
        provider=provider,
        store=build_bar_store(settings, points=points),
        actions=build_action_store(settings),
        market=market,
        topix500=universe.topix500 if universe else frozenset(),
        clock=utc_now,
        history=load_history(settings.symbols_dir) if market.is_section else None,
        fetch_attempts=settings.fetch_attempts,
        patience_s=settings.provider_patience_s,
    )


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
