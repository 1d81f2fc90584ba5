"""The composition root of the domain: settings to providers, stores and the tools of an ingest."""

from functools import cache
from pathlib import Path

from batch.bars.memory import MemoryBarStore
from batch.bars.pages import PageBarStore
from batch.bars.store import BarStore
from batch.errors import ConfigurationError
from batch.ingest.resolve import Planning
from batch.ingest.runner import IngestTools
from batch.kit.clock import utc_now
from batch.market.listing import Market
from batch.market.universe import Universe, load_universe
from batch.providers.base import BarProvider
from batch.providers.file import FileProvider
from batch.providers.registry import get_provider_spec
from batch.providers.synthetic import SyntheticProvider
from batch.settings import BatchSettings


def build_bar_store(settings: BatchSettings) -> BarStore:
    """Return the bar store of the settings; one for each process and place."""
    if settings.bar_store == "memory":
        return _memory_store()
    return _page_store(settings.bars_dir.resolve())


def build_provider(settings: BatchSettings, name: str | None = None) -> BarProvider:
    """Return the provider of a name, or the configured one; one for each process and configuration.

    Raises:
        InvalidRequest: no provider has this name.
        ConfigurationError: it lacks a setting.

    """
    spec = get_provider_spec(name or settings.provider)
    if spec.name == "file":
        if settings.file_dir is None:
            raise ConfigurationError("provider was file and KABOOM_FILE_DIR is not set: name the folder of files")
        return _file_provider(settings.file_dir.resolve(), settings.file_time_zone)
    return _synthetic_provider(settings.synthetic_seed, settings.symbols_dir)


def build_planning(settings: BatchSettings, *, slots: int) -> Planning:
    """Return what planning needs."""
    return Planning(utc_now, settings.symbols_dir, settings.provider_delay_s, slots)


def build_tools(settings: BatchSettings, market: Market, universe: Universe | None, name: str) -> IngestTools:
    """Return what running a chunk of a plan needs; `universe` tells tick sizes by class."""
    return IngestTools(
        provider=build_provider(settings, name),
        store=build_bar_store(settings),
        market=market,
        topix500=universe.topix500 if universe else frozenset(),
        clock=utc_now,
        fetch_attempts=settings.fetch_attempts,
    )


@cache
def _memory_store() -> MemoryBarStore:
    return MemoryBarStore()


@cache
def _page_store(root: Path) -> PageBarStore:
    return PageBarStore(root)


@cache
def _file_provider(root: Path, time_zone: str) -> FileProvider:
    return FileProvider(root, time_zone=time_zone)


@cache
def _synthetic_provider(seed: int, symbols_dir: Path) -> SyntheticProvider:
    return SyntheticProvider(
        seed=seed,
        universe=lambda market, session: load_universe(market, session, imported_dir=symbols_dir),
        clock=utc_now,
    )
