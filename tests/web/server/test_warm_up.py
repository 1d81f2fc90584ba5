"""What an API loads when it has started, so that the first page does not wait for it."""

from pathlib import Path

import pytest

from kaboom.dashboard.renderer import Pages
from kaboom.drivers.lazy import Lazy
from kaboom.errors import StoreError
from kaboom.market_data.service import LazyMarketTables, MarketTables, open_market_tables
from kaboom.web.services import services_of
from tests.fixtures.jobs.apps import memory_settings, running, warm_up

pytestmark = pytest.mark.anyio


async def test_tables_and_templates_are_loaded_by_the_warm_up(tmp_path: Path) -> None:
    settings = memory_settings(tmp_path, bar_store="pages")
    tables: LazyMarketTables = open_market_tables(settings)
    async with running(settings) as app:
        pages = services_of(app).find(Pages)
        await warm_up(tables, pages)
    assert tables.is_built
    environment = await pages._environment.get()
    assert environment.cache is not None
    assert {"base.html", "symbol.html", "data.html"} <= {name for _, name in environment.cache}


async def test_a_store_that_is_away_is_left_to_the_first_request(tmp_path: Path) -> None:
    def fail() -> MarketTables:
        raise StoreError("the store is away")

    async with running(memory_settings(tmp_path)) as app:
        tables = Lazy(fail)
        await warm_up(tables, services_of(app).find(Pages))
    assert not tables.is_built
