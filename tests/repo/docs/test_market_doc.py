"""The pages on reading bars: what they tell others to type works, and what they say of bounds is so."""

import asyncio
import re
from datetime import date
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from starlette.routing import Route

from kaboom.bars.export.files import export_files
from kaboom.bars.export.formats import Format
from kaboom.bars.export.plan import Selection, plan_folder
from kaboom.bars.memory import MemoryBarStore
from kaboom.market_data import queries
from kaboom.market_data.routes import router
from tests.fixtures.bars.stored_bars import MINUTES, full_day
from tests.fixtures.repo.repository import load_text

PAGE, HOW_TO = load_text("docs/reference/market-api.md"), load_text("docs/how-to/read-bars.md")
OPENERS = [dedent(b) for b in re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL) if "minutes/" in b]
DAY = date(2025, 11, 4)


@pytest.fixture
def minutes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The files of the page, where it has them."""

    async def write() -> None:
        store = MemoryBarStore()
        await store.write(MINUTES, full_day(["6758", "7203"], DAY))
        await export_files(
            store, await plan_folder(store, Selection(MINUTES, DAY, DAY), Path("minutes"), Format.PARQUET)
        )

    monkeypatch.chdir(tmp_path)
    asyncio.run(write())


@pytest.mark.parametrize("opener", OPENERS, ids=[re.findall(r"import (\w+)", o)[0] for o in OPENERS])
def test_exported_minutes_open_in_two_lines(minutes: None, opener: str) -> None:
    names: dict[str, Any] = {}
    assert len([line for line in opener.splitlines() if line]) == 2
    exec(opener, names)
    bars = names["bars"]
    assert len(bars) == 327
    symbols = bars["symbol"].to_pylist() if hasattr(bars["symbol"], "to_pylist") else list(bars["symbol"])
    assert set(symbols) == {"7203"}


def test_there_is_an_opener_for_each() -> None:
    assert [re.findall(r"import (\w+)", o)[0] for o in OPENERS] == ["polars", "duckdb", "pandas"]


def test_the_page_lists_every_route_and_format() -> None:
    paths = re.findall(r"^\| `GET (/api/v1/[a-z]+)", PAGE, re.MULTILINE)
    assert set(paths) == {"/".join(route.path.split("/")[:4]) for route in router.routes if isinstance(route, Route)}
    assert [form for form in Format if f"`{form.media_type.partition(';')[0]}`" not in PAGE] == []


def test_the_page_has_every_parameter_and_bound() -> None:
    named = set(re.findall(r"`(\w+)`", PAGE.split("## Parameters")[1].split("## Formats")[0]))
    models = (
        queries.BarsQuery,
        queries.CoverageQuery,
        queries.SymbolsQuery,
        queries.UniverseQuery,
        queries.CalendarQuery,
    )
    assert {name for model in models for name in model.model_fields} - named == set()
    for most in (queries.MOST_BARS, queries.MOST_CELLS, queries.MOST_LISTINGS):
        assert f"{most:,}" in PAGE
