"""The tables that answer market queries, opened by the first query; until then the API does not load polars."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from kaboom.drivers.clock import utc_now
from kaboom.drivers.lazy import Lazy

if TYPE_CHECKING:
    from pathlib import Path

    from kaboom.domain_settings import BatchSettings
    from kaboom.market_data.charts import ChartTables
    from kaboom.market_data.judgements import CoverTables
    from kaboom.market_data.tables import BarTables, QuarantineTables, ReferenceTables


@dataclass(frozen=True, slots=True)
class MarketTables:
    """The tables that queries read: bars, charts, coverage, rejected rows, and listings and sessions."""

    bars: "BarTables"
    charts: "ChartTables"
    coverage: "CoverTables"
    quarantine: "QuarantineTables"
    references: "ReferenceTables"
    symbols_dir: "Path"


type LazyMarketTables = Lazy[MarketTables]


def open_market_tables(settings: "BatchSettings") -> LazyMarketTables:
    """Return the tables for the settings, opened on first use; they use the store of the process, which stays open."""

    def build() -> MarketTables:
        from kaboom.bars.open import build_action_store, build_bar_store  # noqa: PLC0415  the same
        from kaboom.market_data.charts import ChartTables  # noqa: PLC0415  the same
        from kaboom.market_data.judgements import CoverTables  # noqa: PLC0415  0.3 s and 60 MB of polars and numpy
        from kaboom.market_data.tables import BarTables, QuarantineTables, ReferenceTables  # noqa: PLC0415  the same

        store = build_bar_store(settings)
        bars = BarTables(store, build_action_store(settings), settings.provider, utc_now)
        return MarketTables(
            bars,
            ChartTables(bars),
            CoverTables(store, settings.symbols_dir, settings.provider, utc_now),
            QuarantineTables(store, settings.provider),
            ReferenceTables(settings.symbols_dir, utc_now),
            settings.symbols_dir,
        )

    return Lazy(build)
