"""The composition root of ingests: settings to their tools."""

from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.drivers.clock import utc_now
from kaboom.ingest.resolve import Planning
from kaboom.ingest.window import IngestTools
from kaboom.market.listing import Market
from kaboom.market.lists.history import load_history
from kaboom.market.lists.universe import Universe


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
