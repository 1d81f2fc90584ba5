"""Bars of many symbols over HTTP are those of the store, tagged, in one answer."""

import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.actions.store import Origin, build_notes
from kaboom.bars.export.formats import Format
from kaboom.bars.open import build_action_store
from kaboom.bars.store import BarStore
from kaboom.drivers.clock import utc_now
from kaboom.market.action import ActionState, CorporateAction
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.market_data.conftest import SESSIONS, SYMBOLS

pytestmark = pytest.mark.anyio
BARS = "/api/v1/bars"
SPAN: dict[str, Any] = {"start": "2025-10-31", "end": "2025-11-06"}


async def ask(http: httpx2.AsyncClient, form: Format = Format.ARROW, **params: Any) -> pl.DataFrame:
    answer = await http.get(BARS, params=params, headers={"Accept": form.media_type})
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"] == form.media_type
    if form is Format.ARROW:
        return pl.read_ipc_stream(answer.content)
    if form is Format.PARQUET:
        return pl.read_parquet(io.BytesIO(answer.content))
    return pl.read_csv(answer.content, schema_overrides={"symbol": pl.String})


async def held(store: BarStore, *symbols: str) -> pl.DataFrame:
    start, end = at(SESSIONS[0]), at(SESSIONS[-1] + timedelta(days=1))
    frames = [await store.read(MINUTES, symbol, start=start, end=end) for symbol in symbols]
    return pl.concat(frames).sort(pl.col("opened_at").dt.date(), "symbol", "opened_at")


async def test_without_symbols_all_that_are_held_come(market: httpx2.AsyncClient, store: BarStore) -> None:
    assert (await ask(market, interval="1m", **SPAN)).equals(await held(store, *SYMBOLS))


@pytest.mark.parametrize("form", [Format.PARQUET, Format.CSV])
async def test_other_formats_have_the_same_bars(market: httpx2.AsyncClient, store: BarStore, form: Format) -> None:
    found = await ask(market, form, interval="1m", symbols="7203,285A", **SPAN)
    kept = await held(store, "285A", "7203")
    assert found.drop("opened_at").equals(kept.drop("opened_at").cast(found.drop("opened_at").schema))


async def test_a_session_and_a_market_narrow_them(market: httpx2.AsyncClient) -> None:
    found = await ask(market, interval="1m", session=str(SESSIONS[1]), market="TSE_PRIME")
    assert found["opened_at"].dt.date().unique().to_list() == [SESSIONS[1]]
    day = str(SESSIONS[1])
    answer = await market.get(BARS, params={"interval": "1m", "session": day})
    assert f'filename="bars-1m-synthetic-{day}-{day}.arrow"' in answer.headers["content-disposition"]
    # 285A was listed after the newest list of the wheel.
    assert found["symbol"].unique().sort().to_list() == ["6758", "7203"]


async def test_a_tag_holds_until_the_next_write(market: httpx2.AsyncClient, store: BarStore) -> None:
    first = await market.get(BARS, params=SPAN)
    again = await market.get(BARS, params=SPAN, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    other = await market.get(BARS, params=SPAN | {"symbols": "7203"}, headers={"If-None-Match": first.headers["etag"]})
    assert other.status_code == 200
    await store.write(DAILY, frame(bar("7203", at(SESSIONS[-1]), 500.0)))
    changed = await market.get(BARS, params=SPAN, headers={"If-None-Match": first.headers["etag"]})
    assert changed.status_code == 200


async def test_adjusted_bars_name_their_actions(market: httpx2.AsyncClient, tmp_path: Path) -> None:
    actions = build_action_store(memory_settings(tmp_path, bar_store="pages"))
    split = CorporateAction("7203", SESSIONS[1], 0.5)
    await actions.save("synthetic", build_notes([split], Origin.PERSON, ActionState.CONFIRMED, noted_at=utc_now()))
    await actions.close()
    raw = await ask(market, interval="1d", symbols="6758,7203", **SPAN)
    answer = await market.get(BARS, params=SPAN | {"interval": "1d", "symbols": "6758,7203", "adjusted": "true"})
    adjusted = pl.read_ipc_stream(answer.content)
    assert len(answer.headers["kaboom-action-set"]) == 16
    halved = (pl.col("symbol") == "7203") & (pl.col("opened_at").dt.date() < SESSIONS[1])
    assert adjusted["close"].equals(
        raw.select(pl.when(halved).then(pl.col("close") / 2).otherwise("close").alias("close"))["close"]
    )


async def test_nothing_held_is_an_empty_table(market: httpx2.AsyncClient) -> None:
    found = await ask(market, interval="5m", **SPAN)
    assert (found.height, found.columns[:2]) == (0, ["symbol", "opened_at"])


@pytest.mark.parametrize(
    ("params", "status", "pointer"),
    [
        ({"symbols": "7203", "market": "TSE_PRIME"}, 422, "#/market"),
        ({"session": "2025-11-04", "start": "2025-11-04"}, 422, "#/session"),
        ({"start": "2025-11-06", "end": "2025-11-04"}, 422, "#/start"),
        ({"symbols": "7203,,6758"}, 422, "#/symbols"),
        ({"symbols": "72033"}, 422, "#/symbol"),
        ({"market": "FILE"}, 404, None),
    ],
)
async def test_invalid_requests_are_rejected(
    market: httpx2.AsyncClient, params: dict[str, str], status: int, pointer: str | None
) -> None:
    answer = await market.get(BARS, params=params)
    assert answer.status_code == status, answer.text
    assert [fault["pointer"] for fault in answer.json().get("errors", [])] == ([pointer] if pointer else [])
