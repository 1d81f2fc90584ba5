"""The composition root of the domain: settings to providers, stores and the tools of an ingest."""

from functools import cache
from pathlib import Path

from pydantic import SecretStr

from batch.bars.actions.influx import InfluxActionStore
from batch.bars.actions.memory import MemoryActionStore
from batch.bars.actions.sqlite import SqliteActionStore
from batch.bars.actions.store import ActionStore
from batch.bars.influx.layout import InfluxBuckets
from batch.bars.influx.line_writer import LineWriter
from batch.bars.influx.refused import RefusedLines
from batch.bars.influx.sql_reads import build_reads
from batch.bars.influx.store import InfluxBarStore
from batch.bars.influx.target import InfluxTarget, build_target
from batch.bars.influx.wire import InfluxWire
from batch.bars.memory import MemoryBarStore
from batch.bars.pages.store import PageBarStore
from batch.bars.store import BarStore
from batch.errors import ConfigurationError
from batch.ingest.request import DEFAULT_CHUNK_SIZE
from batch.ingest.resolve import Planning
from batch.ingest.window import IngestTools
from batch.kit.clock import utc_now
from batch.kit.http.client import HttpClient
from batch.kit.redis.client import connect_redis
from batch.market.history import load_history
from batch.market.listing import Market
from batch.market.universe import Universe, load_universe
from batch.providers.base import BarProvider, MasterProvider
from batch.providers.file import FileLimits, FileProvider
from batch.providers.jquants import JquantsBulk, JquantsProvider, JquantsShelf, JquantsSource
from batch.providers.limiter.limited_provider import RateLimitedProvider
from batch.providers.limiter.limits import parse_limits
from batch.providers.limiter.memory import MemoryPermitStore
from batch.providers.limiter.port import Limits, PermitStore
from batch.providers.limiter.rate_limiter import NoRateLimit, RateLimiter, SharedRateLimiter
from batch.providers.limiter.redis import RedisPermitStore
from batch.providers.registry import check_has_master, get_provider_spec
from batch.providers.synthetic import SyntheticProvider
from batch.providers.yahoo import YahooProvider, YahooSource
from batch.settings import BatchSettings


def build_bar_store(settings: BatchSettings, *, points: int = DEFAULT_CHUNK_SIZE) -> BarStore:
    """Return the bar store of the settings; one for each process and place.

    `points` are the most in one write request, where the store is over a network.

    Raises:
        ConfigurationError: the settings name a server and not how to reach it.

    """
    if settings.keeps_bars_in_influxdb:
        target = influx_target(settings)
        return _influx_store(target, _influx_buckets(settings), settings.refused_lines_path).with_points(points)
    if settings.bar_store == "memory":
        return _memory_store()
    return _page_store(settings.bars_dir.resolve())


def build_action_store(settings: BatchSettings) -> ActionStore:
    """Return the store of corporate actions, which lies where the bars do.

    Raises:
        ConfigurationError: the settings name a server and not how to reach it.

    """
    if settings.keeps_bars_in_influxdb:
        bars = _influx_store(influx_target(settings), _influx_buckets(settings), settings.refused_lines_path)
        return InfluxActionStore(bars.writer, settings.influxdb_bucket_agg_1d)
    if settings.bar_store == "memory":
        return _memory_actions()
    return SqliteActionStore(settings.bars_dir.resolve())


def describe_bar_store(settings: BatchSettings) -> str:
    """Return where bars are kept, for people; holds no secret.

    Raises:
        ConfigurationError: the settings name a server and not how to reach it.

    """
    if settings.keeps_bars_in_influxdb:
        target = influx_target(settings)
        return f"InfluxDB at {target.url}, asked in {target.language.words}"
    return str(settings.bars_dir)


def influx_target(settings: BatchSettings) -> InfluxTarget:
    """Return the InfluxDB server of the settings.

    Raises:
        ConfigurationError: it cannot be reached as they are.

    """
    return build_target(
        settings.influxdb_host,
        settings.influxdb_secret,
        org=settings.influxdb_org,
        api=settings.influxdb_api,
        language=settings.influxdb_query,
    )


def build_provider(settings: BatchSettings, name: str | None = None) -> BarProvider:
    """Return the provider of a name, or the configured one; one for each process and configuration.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: it lacks a setting.

    """
    spec = get_provider_spec(name or settings.provider)
    if lacking := settings.lacking_for(spec.name):
        raise ConfigurationError(lacking)
    place = (_limits_of(settings, spec.name), settings.shared_redis_url)
    if spec.name == "jquants" and settings.jquants_api_key:
        server = (settings.jquants_base_url, settings.jquants_api_key)
        return _jquants_provider(*server, *place, settings.jquants_bulk_dir)
    if spec.name == "yahoo":
        return _yahoo_provider(settings.yahoo_base_url, *place)
    rate_limiter = build_rate_limiter(settings, spec.name)
    provider = _build_plain(settings, spec.name)
    # These make one request for each call, and know of no rate_limiter.
    return provider if isinstance(rate_limiter, NoRateLimit) else RateLimitedProvider(provider, rate_limiter)


def build_master(settings: BatchSettings, name: str) -> MasterProvider:
    """Return the provider of a name as a source of the list of what is listed.

    Raises:
        InvalidRequest: no provider has this name, or it has no such list.
        ConfigurationError: it lacks a setting.

    """
    provider = build_provider(settings, check_has_master(name).name)
    if not isinstance(provider, JquantsProvider):
        raise ConfigurationError(f"provider {name} was said to have a symbol master, expected it to be one")
    return provider


def build_rate_limiter(settings: BatchSettings, name: str) -> RateLimiter:
    """Return the rate_limiter of a provider: as its capabilities say, unless the settings say otherwise.

    Its permits are shared by every process with the same Redis; without one they are this process's own.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: the settings limit a provider that does not exist.

    """
    return _rate_limiter(name, _limits_of(settings, name), settings.shared_redis_url)


def build_planning(settings: BatchSettings, *, slots: int) -> Planning:
    """Return what planning needs."""
    return Planning(utc_now, settings.symbols_dir, settings.provider_delay_s, slots)


def build_tools(
    settings: BatchSettings, market: Market, universe: Universe | None, *, name: str, points: int
) -> IngestTools:
    """Return what running a chunk of a plan needs: `universe` tells tick sizes by class, `name` the provider."""
    provider = build_provider(settings, name)
    return IngestTools(
        provider=provider,
        store=build_bar_store(settings, points=points),
        actions=build_action_store(settings),
        market=market,
        topix500=universe.topix500 if universe else frozenset(),
        clock=utc_now,
        history=None if provider.capabilities.knows_listings else load_history(settings.symbols_dir),
        fetch_attempts=settings.fetch_attempts,
        patience_s=settings.provider_patience_s,
    )


def _limits_of(settings: BatchSettings, name: str) -> Limits:
    return parse_limits(name, settings.provider_requests_per_minute or "", settings.provider_concurrency or "")


def _rate_limiter(name: str, limits: Limits, redis_url: str | None) -> RateLimiter:
    return NoRateLimit() if limits.are_none else SharedRateLimiter(name, _limiter(name, limits, redis_url))


def _build_plain(settings: BatchSettings, name: str) -> BarProvider:
    if name == "file":
        if settings.file_dir is None:
            raise ConfigurationError("provider was file and KABOOM_FILE_DIR is not set: name the folder of files")
        return _file_provider(settings.file_dir.resolve(), settings.file_time_zone, settings.file_max_mb)
    return _synthetic_provider(settings.synthetic_seed, settings.symbols_dir)


def _influx_buckets(settings: BatchSettings) -> InfluxBuckets:
    return InfluxBuckets(
        settings.influxdb_bucket_raw_1m_hot, settings.influxdb_bucket_agg_5m, settings.influxdb_bucket_agg_1d
    )


@cache
def _influx_store(target: InfluxTarget, buckets: InfluxBuckets, refused: Path) -> InfluxBarStore:
    wire = InfluxWire(target, HttpClient(target.url))
    return InfluxBarStore(LineWriter(wire, build_reads(wire), RefusedLines(refused), DEFAULT_CHUNK_SIZE), buckets)


@cache
def _memory_store() -> MemoryBarStore:
    return MemoryBarStore()


@cache
def _memory_actions() -> MemoryActionStore:
    return MemoryActionStore()


@cache
def _page_store(root: Path) -> PageBarStore:
    return PageBarStore(root)


@cache
def _limiter(provider: str, limits: Limits, redis_url: str | None) -> PermitStore:
    if redis_url is None:
        return MemoryPermitStore(limits)
    return RedisPermitStore(provider, limits, lambda: connect_redis(redis_url, client_name=f"kaboom-{provider}"))


@cache
def _file_provider(root: Path, time_zone: str, max_mb: int) -> FileProvider:
    return FileProvider(root, time_zone=time_zone, limits=FileLimits(max_mb))


@cache
def _jquants_provider(
    base_url: str, api_key: SecretStr, limits: Limits, redis_url: str | None, bulk_dir: Path | None
) -> JquantsProvider:
    rate_limiter = _rate_limiter("jquants", limits, redis_url)
    source = JquantsSource.connect(base_url, api_key.get_secret_value(), rate_limiter, connections=_connections(limits))
    bulk = JquantsBulk(source, JquantsShelf(source, rate_limiter, bulk_dir)) if bulk_dir else None
    return JquantsProvider(source, concurrency=limits.concurrency, bulk=bulk)


@cache
def _yahoo_provider(base_url: str, limits: Limits, redis_url: str | None) -> YahooProvider:
    source = YahooSource.connect(base_url, _rate_limiter("yahoo", limits, redis_url), connections=_connections(limits))
    return YahooProvider(source, concurrency=limits.concurrency)


def _connections(limits: Limits) -> int:
    return max(8, limits.concurrency or 0)


@cache
def _synthetic_provider(seed: int, symbols_dir: Path) -> SyntheticProvider:
    return SyntheticProvider(
        seed=seed,
        universe=lambda market, session: load_universe(market, session, imported_dir=symbols_dir),
        clock=utc_now,
    )
