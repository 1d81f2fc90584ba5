"""The page of a symbol: its bars as a table, which the chart draws, session by session."""

import json
from collections.abc import AsyncIterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import JST, last_sessions
from kaboom.market.interval import Interval
from kaboom.market_data.page.chart import first_shown
from kaboom.market_data.page.quote import quote_of
from kaboom.market_data.page.symbol import around
from kaboom.market_data.schemas import AppliedAction, Bar, JudgedCell
from kaboom.web.routers import example_of
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day
from tests.fixtures.jobs.apps import memory_settings, running
from tests.fixtures.jobs.browsers import VIEWERS, browser_of, tags_of, text_of

pytestmark = pytest.mark.anyio
FRIDAY, TUESDAY, WEDNESDAY = date(2025, 10, 31), date(2025, 11, 4), date(2025, 11, 5)
ROLLED_UP = BarSeries("synthetic_from_1m", Interval.M5)
OWN_FILES = BarSeries("file", Interval.D1)


@pytest.fixture
async def store(tmp_path: Path, anyio_backend: str) -> AsyncIterator[BarStore]:
    """Two sessions of minutes with Monday's holiday between, a flag, days, and an index of the user's own files."""
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    for seed, day in enumerate((FRIDAY, TUESDAY)):
        await store.write(MINUTES, full_day(["7203"], day, seed))
        await store.write(DAILY, frame(bar("7203", at(day), 100.0 + seed)))
    await store.write(MINUTES, frame(bar("7203", at(TUESDAY, 30), 123.5, flags=BarFlag.GAP | BarFlag.OFF_TICK)))
    await store.write(ROLLED_UP, frame(bar("7203", at(TUESDAY))))
    await store.write(OWN_FILES, frame(bar("^N225", at(TUESDAY), 51000.5)))
    yield store
    await store.close()


@pytest.fixture
async def app(store: BarStore, tmp_path: Path) -> AsyncIterator[FastAPI]:
    """The API on that store, in place of one with everything in memory."""
    async with running(memory_settings(tmp_path, bar_store="pages"), authenticators=[VIEWERS]) as app:
        yield app


def chart_of(html: str) -> dict[str, Any]:
    """Return what the script draws."""
    found: dict[str, Any] = json.loads(next(attrs["data-chart"] for _, attrs in tags_of(html) if "data-chart" in attrs))
    return found


def bars_of(html: str) -> list[list[Any]]:
    bars: list[list[Any]] = chart_of(html)["bars"]
    return bars


def lines_of(html: str) -> dict[str, list[float | None]]:
    return {line["label"]: line["values"] for line in chart_of(html)["lines"]}


def links(html: str) -> dict[str, str]:
    named = (attrs for tag, attrs in tags_of(html) if tag == "a")
    return {attrs.get("data-step") or attrs.get("data-key", ""): attrs["href"] for attrs in named}


async def shown(browser: httpx2.AsyncClient, symbol: str = "7203", **query: str) -> str:
    answer = await browser.get(f"/symbols/{symbol}", params={"session": "2025-11-04"} | query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_the_bars_of_a_session_are_a_table(browser: httpx2.AsyncClient, store: BarStore) -> None:
    page = await shown(browser)
    kept = (await store.read_session(MINUTES, TUESDAY)).drop("symbol")
    rows = bars_of(page)
    assert len(rows) == kept.height == 327
    assert [row[1:5] for row in rows] == [list(row[1:5]) for row in kept.rows()]
    # Seconds of the clock in Japan, which is what the chart shows.
    assert rows[0][0] == int(at(TUESDAY).timestamp()) + 9 * 3600
    assert {row[7]: row[0] for row in rows if row[7]}.keys() == {"a_open", "a_am_close", "a_pm_open", "a_close"}
    assert [row[6] for row in rows if row[6]] == ["off_tick+gap"]
    text = text_of(page)
    assert "TOYOTA MOTOR CORPORATION" in text
    assert "327 of 327 minutes" in text
    assert "Empty minutes before this bar" in text


async def test_the_change_is_from_the_session_before_and_has_a_sign(browser: httpx2.AsyncClient) -> None:
    english = text_of(await shown(browser))
    assert "Previous close" in english
    assert "▲" not in english
    assert any(sign in english for sign in ("(+", "(\N{MINUS SIGN}"))


async def test_sessions_lead_to_their_neighbours_over_holidays(browser: httpx2.AsyncClient) -> None:
    page = await shown(browser, interval="5m")
    assert links(page)["["] == "/symbols/7203?interval=5m&session=2025-10-31"
    assert links(page)["]"] == "/symbols/7203?interval=5m&session=2025-11-05"
    assert links(page)["1"] == "/symbols/7203?interval=1m&session=2025-11-04"


async def test_without_a_session_the_newest_with_bars_is_shown(browser: httpx2.AsyncClient, store: BarStore) -> None:
    (newest,) = last_sessions(1, datetime.now(JST).date() - timedelta(days=1))
    await store.write(MINUTES, frame(bar("7203", at(newest))))
    answer = await browser.get("/symbols/7203")
    sessions = [attrs["data-session"] for _, attrs in tags_of(answer.text) if "data-session" in attrs]
    assert sessions == [newest.isoformat()]


async def test_bars_of_a_day_without_a_session_do_no_harm(browser: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(MINUTES, frame(bar("9984", at(date(2025, 11, 1)))))
    assert len(bars_of(await shown(browser, "9984", session="2025-11-01"))) == 1


async def test_days_are_shown_up_to_the_session(browser: httpx2.AsyncClient) -> None:
    page = await shown(browser, interval="1d")
    assert [row[4] for row in bars_of(page)] == [100.0, 101.0]
    assert "+1.0" in text_of(page)


async def test_rolled_up_bars_stand_in_for_an_interval_that_nobody_gave(browser: httpx2.AsyncClient) -> None:
    page = await shown(browser, interval="5m")
    assert len(bars_of(page)) == 1
    assert "synthetic_from_1m" in page


async def test_a_symbol_of_files_needs_no_calendar(browser: httpx2.AsyncClient) -> None:
    page = await shown(browser, "^N225", interval="1d", provider="file")
    assert [row[4] for row in bars_of(page)] == [51000.5]
    assert "Nikkei 225" in text_of(page)


async def test_a_session_without_bars_says_how_to_take_them(browser: httpx2.AsyncClient) -> None:
    text = text_of(await shown(browser, session="2025-11-05"))
    assert "kaboom ingest backfill --wait --interval 1m --symbol 7203 --from 2025-11-05 --to 2025-11-05" in text


async def test_the_page_is_complete_in_japanese(app: FastAPI) -> None:
    async with browser_of(app, **{"accept-language": "ja"}) as browser:
        page = await shown(browser)
    text = text_of(page)
    for word in (
        "始値",
        "高値",
        "安値",
        "終値",
        "前日終値",
        "出来高",
        "未調整",
        "分割調整後",
        "寄付",
        "前引",
        "後場寄",
        "大引",
    ):
        assert word in text
    assert "輸送用機器" in text
    words = json.loads(next(attrs["data-words"] for _, attrs in tags_of(page) if "data-words" in attrs))
    assert words["a_close"] == "大引"


@pytest.mark.parametrize(
    "path",
    ["/symbols/7203?interval=2m", "/symbols/7203?session=yesterday", "/symbols/7203?provider=nobody",
     "/symbols/%3Cscript%3E", "/symbols/7203%2F..%2F..", f"/symbols/{'7' * 30}", "/symbols/7203?session=1899-01-01"],
)  # fmt: skip
async def test_unknown_symbols_get_an_error_page(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(path)
    assert answer.status_code in {404, 422}
    assert answer.headers["content-type"].startswith("text/html")
    assert "<script>" not in answer.text.replace('<script type="module"', "")


def test_a_quote_across_a_split_is_against_the_base_price() -> None:
    def one(day: str, close: float) -> Bar:
        opened_at = datetime.fromisoformat(f"{day}T00:00:00Z")
        return Bar(opened_at=opened_at, open=close, high=close, low=close, close=close, volume=100, flags=0)

    action = AppliedAction(ex_session=TUESDAY, factor=0.5, kind=ActionKind.SPLIT, state=ActionState.CONFIRMED)
    quote = quote_of([one("2025-10-31", 2000.0)], [one("2025-11-04", 1010.0)], [action])
    assert quote is not None
    assert (quote.previous, quote.change, quote.is_base) == (1000.0, 10.0, True)
    later = quote_of([one("2025-11-04", 1010.0)], [one("2025-11-05", 1020.0)], [action])
    assert later is not None
    assert (later.previous, later.is_base) == (1010.0, False)
    assert quote_of([], [], []) is None


@pytest.mark.parametrize(("hour", "session"), [(13, TUESDAY), (16, WEDNESDAY)])
def test_without_bars_the_newest_session_that_can_be_taken_is_shown(hour: int, session: date) -> None:
    now = datetime(2025, 11, 5, hour, tzinfo=JST)
    known = example_of(JudgedCell) | {"bars": 0}
    judged = [JudgedCell.model_validate(known | {"session": day}) for day in (WEDNESDAY, TUESDAY)]
    assert first_shown([], now) == first_shown(judged, now) == session


def test_the_days_around_a_session() -> None:
    days = [FRIDAY, TUESDAY, WEDNESDAY]
    assert around(days, TUESDAY) == (FRIDAY, WEDNESDAY)
    assert around(days, WEDNESDAY + timedelta(days=9)) == (WEDNESDAY, None)
    assert around([], TUESDAY) == (None, None)


async def test_an_index_has_points_and_neither_yen_nor_shares(browser: httpx2.AsyncClient, store: BarStore) -> None:
    await store.write(DAILY, frame(bar("^0000", at(TUESDAY), 2149.54)))
    page = await shown(browser, "TOPIX", interval="1d")
    assert 'data-digits="2"' in page
    text = text_of(page)
    assert "^0000 TOPIX Index" in text
    assert "2,149.54" in text
    assert "yen" not in text
    assert "shares" not in text
    assert "lists since" not in text
