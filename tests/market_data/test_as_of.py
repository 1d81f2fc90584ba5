"""Bars, actions and lists of symbols as of a moment over HTTP: old values, tags, cursors, and what is refused."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest

from kaboom.bars.memory import MemoryActionStore
from kaboom.bars.open import build_action_store
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Snapshot, save_snapshot
from kaboom.market_data.queries import BarsQuery, LatestQuery
from kaboom.market_data.schemas import BarPage, CoveragePage, LatestBars, SymbolPage, UniverseView
from kaboom.market_data.tables import BarTables
from tests.fixtures.bars.noted_actions import note
from tests.fixtures.bars.stored_bars import MINUTES, at, bar, frame, full_day
from tests.fixtures.influx.influx_stores import fake_store
from tests.fixtures.jobs.apps import memory_settings
from tests.market_data.conftest import SESSIONS

pytestmark = pytest.mark.anyio
URL = "/api/v1/bars/7203"
SPAN = {"start": "2025-10-31", "end": "2025-11-06"}


async def ask(http: httpx2.AsyncClient, url: str = URL, **params: Any) -> httpx2.Response:
    answer = await http.get(url, params=params)
    assert answer.status_code == 200, answer.text
    return answer


async def test_bars_are_those_known_at_the_moment(market: httpx2.AsyncClient, store: BarStore) -> None:
    old, moment = (await ask(market, **SPAN)).json(), utc_now()
    await store.write(MINUTES, full_day(["7203"], SESSIONS[1], seed=99))
    await store.write(MINUTES, frame(bar("7203", at(SESSIONS[2], 391))))

    past = await ask(market, **SPAN, as_of=moment.isoformat())
    page = past.json()
    assert page["items"] == old["items"]
    assert datetime.fromisoformat(page["known_at"]) == datetime.fromisoformat(past.headers["kaboom-known-at"]) == moment
    BarPage.model_validate(page)
    now = (await ask(market, **SPAN)).json()
    assert now["items"] != old["items"]
    assert "known_at" not in now


async def test_latest_bars_are_those_known_at_the_moment(market: httpx2.AsyncClient, store: BarStore) -> None:
    url = "/api/v1/bars/latest"
    old, moment = (await ask(market, url)).json(), utc_now()
    await store.write(MINUTES, frame(bar("7203", at(SESSIONS[2], 391)), bar("9984", at(SESSIONS[2]))))

    page = (await ask(market, url, as_of=moment.isoformat())).json()
    assert page["items"] == old["items"]
    LatestBars.model_validate(page)
    assert len((await ask(market, url)).json()["items"]) == len(old["items"]) + 1


async def test_coverage_is_that_known_at_the_moment(market: httpx2.AsyncClient, store: BarStore) -> None:
    url, span = "/api/v1/coverage", {"first": "2025-10-31", "last": "2025-11-06"}
    old, moment = (await ask(market, url, **span)).json(), utc_now()
    await store.write(MINUTES, frame(bar("7203", at(SESSIONS[2], 391)), bar("9984", at(SESSIONS[2]))))

    page = (await ask(market, url, **span, as_of=moment.isoformat())).json()
    assert (page["items"], datetime.fromisoformat(page["known_at"])) == (old["items"], moment)
    CoveragePage.model_validate(page)
    assert (await ask(market, url, **span)).json()["items"] != old["items"]
    refused = await market.get(url, params={"as_of": moment.isoformat(), "finality": "true"})
    assert (refused.status_code, "has no history" in refused.text) == (422, True)


async def test_a_tag_of_a_moment_stays_through_corrections(market: httpx2.AsyncClient, store: BarStore) -> None:
    question = {**SPAN, "as_of": utc_now().isoformat()}
    first = await ask(market, **question)
    await store.write(MINUTES, full_day(["7203"], SESSIONS[1], seed=99))

    assert (await ask(market, **question)).headers["etag"] == first.headers["etag"]
    again = await market.get(URL, params=question, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert (await ask(market, **SPAN)).headers["etag"] != first.headers["etag"]


async def test_pages_of_a_moment_go_on_through_corrections(market: httpx2.AsyncClient, store: BarStore) -> None:
    whole, moment = (await ask(market, **SPAN)).json()["items"], utc_now()
    question: dict[str, Any] = {**SPAN, "as_of": moment.isoformat(), "limit": 400}
    seen, cursor = list[Any](), None
    for seed in range(3):
        page = (await ask(market, **question, **({"cursor": cursor} if cursor else {}))).json()
        seen, cursor = seen + page["items"], page["next_cursor"]
        await store.write(MINUTES, full_day(["7203"], SESSIONS[2], seed=50 + seed))
    assert seen == whole
    other = (await ask(market, **question)).json()["next_cursor"]
    refused = await market.get(URL, params={**SPAN, "limit": 400, "cursor": other})
    assert refused.status_code == 400


async def test_adjusted_bars_are_adjusted_by_the_actions_known_then(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    actions = build_action_store(memory_settings(tmp_path, bar_store="pages"))
    raw, moment = (await ask(market, **SPAN)).json(), utc_now()
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))

    past = (await ask(market, **SPAN, adjusted="true", as_of=moment.isoformat())).json()
    assert (past["items"], past["actions"]) == (raw["items"], [])
    now = (await ask(market, **SPAN, adjusted="true", as_of=utc_now().isoformat())).json()
    assert now["actions"][0]["factor"] == 0.5
    assert now["action_set"] != past["action_set"]


@pytest.mark.parametrize("url", [URL, "/api/v1/bars/latest", "/api/v1/universe", "/api/v1/symbols"])
async def test_a_moment_to_come_is_refused(market: httpx2.AsyncClient, url: str) -> None:
    answer = await market.get(url, params={"as_of": (utc_now() + timedelta(hours=1)).isoformat()})
    assert answer.status_code == 422
    assert "or earlier" in answer.json()["errors"][0]["detail"]
    assert answer.json()["errors"][0]["pointer"] == "#/as_of"


async def test_bars_in_influxdb_are_refused_with_the_reason(tmp_path: Path) -> None:
    with fake_store(tmp_path) as store:
        tables = BarTables(store, MemoryActionStore(), "synthetic", utc_now)
        for find in (
            tables.bars("7203", BarsQuery(as_of="2025-11-04"), None),
            tables.latest(LatestQuery(as_of="2025-11-04")),
        ):
            with pytest.raises(InvalidRequest, match="InfluxDB overwrites a corrected bar and keeps no history"):
                await find
        await store.close()


def save(into: Path, day: date, *symbols: str) -> None:
    listings = tuple(Listing(symbol, f"name {symbol}", Market.TSE_PRIME, "", "") for symbol in symbols)
    save_snapshot(Snapshot(day, "a test", listings), into)


async def test_lists_of_symbols_count_from_their_import_on(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    folder = memory_settings(tmp_path).symbols_dir
    moments = [utc_now()]
    for symbols in (("1301", "7203"), ("1301",), ("1301",), ("1301", "285A")):
        save(folder, date(2025, 10, 31), *symbols)
        moments.append(utc_now())

    question = {"market": "TSE_PRIME", "session": "2025-11-04"}
    views = [(await ask(market, "/api/v1/universe", **question, as_of=m.isoformat())).json() for m in moments]
    assert [view["as_of"] for view in views] == ["2024-03-29", *["2025-10-31"] * 4]
    assert [[i["symbol"] for i in view["items"]] for view in views[1:]] == [
        ["1301", "7203"],
        ["1301"],
        ["1301"],
        ["1301", "285A"],
    ]
    assert len(list(folder.glob("*.replaced"))) == 2
    UniverseView.model_validate(views[1])
    page = (await ask(market, "/api/v1/symbols", **question, as_of=moments[1].isoformat())).json()
    assert [i["symbol"] for i in page["items"]] == ["1301", "7203"]
    assert datetime.fromisoformat(page["known_at"]) == moments[1]
    SymbolPage.model_validate(page)


async def test_a_moment_before_every_list_is_refused(market: httpx2.AsyncClient) -> None:
    answer = await market.get("/api/v1/universe", params={"as_of": "2020-01-01"})
    assert answer.status_code == 422
    assert "when no list of symbols was known" in answer.json()["errors"][0]["detail"]
