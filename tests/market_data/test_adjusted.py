"""Adjusted bars over HTTP: by told and confirmed splits, tagged by the set of them; raw bars stay as they were."""

import io
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.actions.store import ActionStore
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.market.action import ActionState
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.roll_up import roll_up_bars
from kaboom.market_data.schemas import BarPage
from tests.fixtures.bars.noted_actions import dividend_note, note
from tests.fixtures.jobs.apps import memory_settings
from tests.market_data.conftest import SESSIONS

pytestmark = pytest.mark.anyio
URL = "/api/v1/bars/7203"
SPAN = {"start": "2025-10-31", "end": "2025-11-06"}
ADJUSTED = SPAN | {"adjusted": "true"}


@pytest.fixture
def actions(tmp_path: Any) -> ActionStore:
    """The actions of the API."""
    return build_action_store(memory_settings(tmp_path, bar_store="pages"))


async def items(http: httpx2.AsyncClient, **params: str) -> pl.DataFrame:
    answer = await http.get(URL, params=params)
    assert answer.status_code == 200, answer.text
    BarPage.model_validate(answer.json())
    return pl.DataFrame(answer.json()["items"])


async def test_without_actions_adjusted_bars_are_the_raw_ones(market: httpx2.AsyncClient) -> None:
    assert (await items(market, **ADJUSTED)).equals(await items(market, **SPAN))


async def test_a_split_divides_what_was_before_it(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    raw = await items(market, **SPAN)
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))
    await actions.save("synthetic", note("6758", SESSIONS[2], 0.1))
    await actions.save("jquants", note("7203", SESSIONS[2], 0.1))
    adjusted = await items(market, **ADJUSTED)
    assert adjusted["close"].to_list() == [*(raw["close"][:327] * 0.5), *raw["close"][327:]]
    assert adjusted["volume"].to_list() == [*(raw["volume"][:327] * 2), *raw["volume"][327:]]
    assert (await items(market, **SPAN)).equals(raw)


async def test_rolled_up_bars_are_adjusted_by_their_providers_actions(
    market: httpx2.AsyncClient, actions: ActionStore, tmp_path: Any
) -> None:
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    for day in SESSIONS[:2]:
        minutes = await store.read_session(BarSeries("synthetic", Interval.M1), day)
        await store.write(BarSeries("synthetic_from_1m", Interval.D1), roll_up_bars(minutes, Interval.D1))
    ours = {"interval": "1d", "provider": "synthetic_from_1m"}
    raw = await items(market, **SPAN, **ours)
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))
    adjusted = await items(market, **ADJUSTED, **ours)
    assert adjusted["close"].to_list() == [raw["close"][0] * 0.5, raw["close"][1]]


async def test_the_answer_says_as_of_which_actions(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    await actions.save("synthetic", note("7203", SESSIONS[1], 1 / 3))
    await actions.save("synthetic", note("7203", SESSIONS[2], 0.5, ActionState.SUSPECTED))
    answer = await market.get(URL, params=ADJUSTED | {"limit": "1"})
    page = answer.json()
    assert page["adjusted"] is True
    assert page["actions"] == [{"ex_session": "2025-11-04", "factor": 1 / 3, "kind": "split", "state": "reported"}]
    assert len(page["action_set"]) == 16
    assert answer.headers["kaboom-action-set"] == page["action_set"]
    raw = await market.get(URL, params=SPAN)
    assert "kaboom-action-set" not in raw.headers
    assert raw.json().keys() & {"action_set", "actions"} == set()


async def test_the_tag_changes_with_the_actions_alone(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    async def ask(tag: str = "") -> httpx2.Response:
        return await market.get(URL, params=ADJUSTED, headers={"If-None-Match": tag})

    plain = (await ask()).headers["etag"]
    assert (await ask(plain)).status_code == 304
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))
    split = await ask(plain)
    assert (split.status_code, split.headers["etag"] != plain) == (200, True)
    # A split after the last bar that is asked for changes every bar.
    later = await market.get(URL, params=ADJUSTED | {"end": "2025-11-01"})
    await actions.save("synthetic", note("7203", SESSIONS[2], 0.5))
    again = await market.get(URL, params=ADJUSTED | {"end": "2025-11-01"})
    assert later.headers["etag"] != again.headers["etag"]
    for day in SESSIONS[1:]:
        await actions.save("synthetic", note("7203", day, 0.5, ActionState.REJECTED))
    assert (await ask(plain)).status_code == 304


async def test_pages_and_files_are_adjusted_too(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))
    whole = await items(market, **ADJUSTED)
    answer = await market.get(URL, params=ADJUSTED | {"limit": "300"})
    seen = answer.json()["items"]
    while "next" in answer.links:
        answer = await market.get(answer.links["next"]["url"])
        seen += answer.json()["items"]
    assert pl.DataFrame(seen).equals(whole)
    file = await market.get(URL, params=ADJUSTED, headers={"Accept": "application/vnd.apache.parquet"})
    assert 'filename="7203-1m-synthetic-adjusted.parquet"' in file.headers["content-disposition"]
    rows = pl.read_parquet(io.BytesIO(file.content))
    assert rows.columns[:4] == ["provider", "interval", "symbol", "action_set"]
    assert rows["action_set"].unique().to_list() == [file.headers["kaboom-action-set"]]
    assert rows["close"].to_list() == whole["close"].to_list()


async def test_the_newest_bar_stays_raw(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    before = (await market.get("/api/v1/bars/latest")).json()
    await actions.save("synthetic", note("7203", SESSIONS[2], 0.5))
    assert (await market.get("/api/v1/bars/latest")).json() == before
    assert (await market.get("/api/v1/bars/latest", params={"adjusted": "true"})).status_code == 422


async def test_a_total_return_reinvests_dividends_too(market: httpx2.AsyncClient, actions: ActionStore) -> None:
    raw = await items(market, **SPAN)
    before = raw["close"][326]
    await actions.save("synthetic", note("7203", SESSIONS[1], 0.5))
    await actions.save("synthetic", dividend_note("7203", SESSIONS[1], before / 4))
    await actions.save("synthetic", dividend_note("7203", SESSIONS[0], 45))
    answer = (await market.get(URL, params=SPAN | {"total_return": "true", "interval": "1m"})).json()
    BarPage.model_validate(answer)
    whole = pl.DataFrame(answer["items"])
    assert whole["close"].to_list() == pytest.approx([*(raw["close"][:327] * 0.375), *raw["close"][327:]], rel=1e-12)
    assert whole["volume"].to_list() == [*(raw["volume"][:327] * 2), *raw["volume"][327:]]
    # That of the first session changes none of these bars.
    paid = {"ex_session": SESSIONS[1].isoformat(), "amount": before / 4, "close": before, "factor": 0.75}
    assert (answer["adjusted"], answer["total_return"], answer["dividends"]) == (True, True, [paid])
    adjusted = (await market.get(URL, params=ADJUSTED)).json()
    assert adjusted["action_set"] != answer["action_set"]
    assert "dividends" not in adjusted
    many = await market.get(
        "/api/v1/bars",
        params=SPAN | {"total_return": "true", "symbols": "6758,7203"},
        headers={"Accept": "application/vnd.apache.parquet"},
    )
    assert many.headers["kaboom-action-set"]
    rows = pl.read_parquet(io.BytesIO(many.content)).filter(pl.col("symbol") == "7203").sort("opened_at")
    assert rows["close"].to_list() == whole["close"].to_list()


async def test_a_dividend_without_a_previous_close_is_reported_and_skipped(
    market: httpx2.AsyncClient, actions: ActionStore
) -> None:
    await actions.save("synthetic", dividend_note("7203", SESSIONS[0], 45))
    answer = (await market.get(URL, params=SPAN | {"start": "2025-10-30", "total_return": "true"})).json()
    assert answer["dividends"] == [{"ex_session": SESSIONS[0].isoformat(), "amount": 45, "close": None, "factor": None}]
    assert pl.DataFrame(answer["items"]).equals(await items(market, **SPAN))
