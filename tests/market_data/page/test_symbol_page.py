"""The page of a symbol: its bars as a table, which the chart draws, session by session."""

import csv
import io
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.bars.open import build_bar_store
from kaboom.bars.store import BarStore
from kaboom.disclosures.store import open_disclosures
from kaboom.drivers.clock import utc_now
from kaboom.market.action import ActionKind, ActionState
from kaboom.market.bar import BarFlag, BarSeries
from kaboom.market.calendar import JST, last_sessions, sessions_between
from kaboom.market.disclosure import CompanyEventKind, Disclosures
from kaboom.market.interval import Interval
from kaboom.market_data.page.chart import first_shown
from kaboom.market_data.page.choice import Span, SymbolFilters, first_day
from kaboom.market_data.page.quote import index_to_100, quote_of
from kaboom.market_data.page.symbol import around
from kaboom.market_data.queries import ChartInterval
from kaboom.market_data.schemas import AppliedAction, Bar, JudgedCell
from kaboom.web.routers import example_of
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame, full_day
from tests.fixtures.disclosures.made import make_event, make_statement
from tests.fixtures.jobs.apps import jobs_of, memory_settings, running
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


async def test_of_rolled_up_minutes_the_newest_session_is_shown(browser: httpx2.AsyncClient, store: BarStore) -> None:
    newest, _ = last_sessions(2, datetime.now(JST).date() - timedelta(days=1))
    await store.write(MINUTES, frame(bar("7203", at(newest))))
    answer = await browser.get("/symbols/7203?interval=15m")
    assert len(bars_of(answer.text)) == 1
    assert "Rolled up from 1-minute bars" in text_of(answer.text)


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


DAYS = sessions_between(date(2025, 1, 6), FRIDAY - timedelta(days=1))


@pytest.fixture
async def days(store: BarStore) -> None:
    """Days of most of a year of two symbols, of which one has no bar on the first two."""
    for symbol, price, first in (("7203", 1000.0, 0), ("6758", 3000.0, 2)):
        rows = [bar(symbol, at(day), price + n * (7 - n % 13)) for n, day in enumerate(DAYS) if n >= first]
        await store.write(DAILY, frame(*rows))


async def test_averages_are_drawn_from_the_first_bar_on(browser: httpx2.AsyncClient, days: None) -> None:
    page = await shown(browser, interval="1d", span="1M", show="sma.vma.rsi.macd")
    lines = lines_of(page)
    assert list(lines) == [
        "MA 5", "MA 25", "MA 75", "Volume MA 25", "RSI 14", "MACD 12,26,9", "signal", "histogram",
    ]  # fmt: skip
    assert all(None not in values for values in lines.values())
    closes = [row[4] for row in bars_of(page)]
    assert lines["MA 5"][-1] == pytest.approx(sum(closes[-5:]) / 5)
    # A week has other averages, and no average price of a session.
    weekly = lines_of(await shown(browser, interval="1w", show="sma.vwap"))
    assert list(weekly) == ["MA 13", "MA 26", "MA 52"]


async def test_a_range_ends_with_the_session(browser: httpx2.AsyncClient, days: None) -> None:
    page = await shown(browser, interval="1d", span="1M")
    assert len(bars_of(page)) == len([day for day in DAYS if day >= date(2025, 10, 4)]) + 2
    assert "do not reach back" not in text_of(page)
    assert "The stored bars begin on Mon 2025-01-06" in text_of(await shown(browser, interval="1d", span="5Y"))
    minutes = await shown(browser, span="5D")
    assert len(bars_of(minutes)) == 2 * 327
    assert "The stored bars begin on Fri 2025-10-31" in text_of(minutes)
    # An interval that does not have the range shows its own.
    assert len(bars_of(await shown(browser, span="5Y"))) == 327


def test_links_keep_what_the_other_choice_allows() -> None:
    minutes = SymbolFilters(interval=ChartInterval.M1)
    assert minutes.at_span(Span.D5) == {"interval": "1m", "span": "5D"}
    assert minutes.at_span(Span.M6) == {"interval": "1d", "span": "6M"}
    assert minutes.at_interval(ChartInterval.D1) == {"interval": "1d", "span": ""}
    hours = SymbolFilters(interval=ChartInterval.H1, span=Span.M3)
    assert hours.at_interval(ChartInterval.M15) == {"interval": "15m", "span": "3M"}
    assert hours.at_interval(ChartInterval.M5) == {"interval": "5m", "span": ""}


@pytest.mark.parametrize(
    ("span", "session", "first"),
    [
        (Span.D1, TUESDAY, TUESDAY),
        (Span.D5, TUESDAY, date(2025, 10, 28)),
        (Span.M1, date(2025, 3, 31), date(2025, 2, 28)),
        (Span.M1, date(2025, 5, 30), date(2025, 4, 30)),
        (Span.M1, date(2025, 1, 6), date(2024, 12, 6)),
        (Span.Y1, date(2024, 2, 29), date(2023, 2, 28)),
        (Span.Y5, TUESDAY, date(2020, 11, 4)),
    ],
)
def test_the_first_day_of_a_range(span: Span, session: date, first: date) -> None:
    assert first_day(span, session, is_tse=True) == first


async def test_indicators_are_remembered_for_other_symbols(browser: httpx2.AsyncClient, days: None) -> None:
    assert list(lines_of(await shown(browser, interval="1d"))) == ["MA 5", "MA 25", "MA 75", "Volume MA 25"]
    answer = await browser.get("/symbols/7203?interval=1d&show=rsi.moon&keep=true")
    assert (answer.status_code, answer.headers["location"]) == (303, "/symbols/7203?interval=1d&show=rsi.moon")
    browser.cookies.set("kaboom_chart", "rsi")
    assert "kaboom_chart=rsi;" in answer.headers["set-cookie"]
    assert list(lines_of(await shown(browser, "6758", interval="1d"))) == ["RSI 14"]
    assert list(lines_of(await shown(browser, interval="1d", show="atr"))) == ["ATR 14"]
    assert lines_of(await shown(browser, interval="1d", show="none")) == {}


async def test_compared_symbols_begin_at_100_together(browser: httpx2.AsyncClient, days: None) -> None:
    page = await shown(browser, interval="1d", compare="6758,7203,9984")
    own, other, without = chart_of(page)["compared"]
    assert (own["label"], other["label"], without["label"]) == ("7203", "6758", "9984")
    assert [values[:3] for values in (own["values"], other["values"])] == [[None, None, 100.0], [None, None, 100.0]]
    closes = [row[4] for row in bars_of(page)]
    assert own["values"][3] == pytest.approx(100 * closes[3] / closes[2], abs=1e-4)
    assert set(without["values"]) == {None}
    text = text_of(page)
    assert "SONY GROUP CORPORATION" in text
    assert "100 on Wed 2025-01-08" in text
    # Averages in yen have no place among indices.
    assert list(lines_of(page)) == ["Volume MA 25"]


def test_no_common_time_gives_no_index() -> None:
    one, other = at(FRIDAY), at(TUESDAY)
    assert index_to_100([{one: 5.0}, {other: 7.0}]) == (None, [{}, {}])
    assert index_to_100([{one: 5.0, other: 6.0}, {other: 7.0}]) == (other, [{other: 100.0}, {other: 100.0}])


async def test_at_most_four_symbols_are_compared() -> None:
    filters = SymbolFilters(compare="6758、 9984,1301 7203,6758,8306,8035")
    assert filters.compared("7203") == ["6758", "9984", "1301", "8306"]


async def test_the_file_has_what_is_drawn(browser: httpx2.AsyncClient, days: None) -> None:
    query = {"session": "2025-11-04", "interval": "1d", "span": "1M", "show": "sma", "compare": "6758"}
    answer = await browser.get("/symbols/7203/bars.csv", params=query)
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="7203-1d-1M-2025-11-04.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    drawn = chart_of(await shown(browser, **query))
    assert [float(row["close"]) for row in rows] == [each[4] for each in drawn["bars"]]
    assert [row["index_6758"] for row in rows[:1]] == ["100.0"]
    alone = await browser.get("/symbols/7203/bars.csv", params=query | {"compare": ""})
    first = next(csv.DictReader(io.StringIO(alone.text)))
    assert float(first["sma_5"]) == pytest.approx(
        lines_of(await shown(browser, **(query | {"compare": ""})))["MA 5"][0]
    )


async def test_the_headline_has_the_highest_and_the_lowest_price_of_a_year(
    browser: httpx2.AsyncClient, days: None
) -> None:
    text = text_of(await shown(browser, span="5D"))
    assert "52 weeks" in text
    assert "Tue 2025-11-04" in text
    closes = [1000 + n * (7 - n % 13) for n in range(len(DAYS))]
    # The two days of the other fixture close at 100 and 101.
    assert f"{min(*closes, 100) - 3:,.1f} – {max(closes) + 2:,.1f}" in text


async def test_peers_and_neighbours_stand_beside_the_chart(browser: httpx2.AsyncClient) -> None:
    answer = await browser.get("/symbols/7203/beside", headers={"hx-request": "true"})
    assert answer.status_code == 200
    keys = links(answer.text)
    assert keys["p"] < "/symbols/7203" < keys["n"]
    text = text_of(answer.text)
    assert "HONDA MOTOR" in text
    assert "No portfolio has held it." in text
    whole = await browser.get("/symbols/7203/beside")
    assert "Beside the chart of 7203" in text_of(whole.text)


async def test_what_a_viewer_may_not_read_is_not_beside_the_chart(app: FastAPI) -> None:
    async with browser_of(app, role="viewer-portfolios:read") as browser:
        answer = await browser.get("/symbols/7203/beside", headers={"hx-request": "true"})
    assert "not available" in text_of(answer.text)
    assert "No portfolio has held it." not in text_of(answer.text)


async def test_statements_and_the_next_results_stand_beside_the_chart(
    app: FastAPI, browser: httpx2.AsyncClient
) -> None:
    async def text_beside(symbol: str) -> str:
        answer = await browser.get(f"/symbols/{symbol}/beside", headers={"hx-request": "true"})
        return text_of(answer.text)

    assert "No statements are held" in await text_beside("7203")
    assert "Statements" not in await text_beside("%5E0000")
    today = utc_now().astimezone(JST).date()
    planned = make_event(at="2025-07-01 12:00", day=today)
    paid = replace(
        planned,
        document="d",
        kind=CompanyEventKind.DIVIDEND,
        subject="d",
        amount=45.0,
        is_forecast=True,
        period="final",
    )
    store = jobs_of(app).parts.database.open(open_disclosures)
    stated = make_statement(at="2025-05-08 15:00", sales=48e12, net_profit=None)
    await store.save("synthetic", Disclosures([stated], [planned, paid]), now=utc_now())
    text = await text_beside("7203")
    assert "Next results: 1Q on" in text
    assert "2025-03 Full year 48,000,000 – – 100.00 110.00 1,000.00" in text
    assert "Dividend: 45.00 yen, ex" in text
    assert "(forecast)" in text
    assert "synthetic: generated, not market data" in text


@pytest.mark.parametrize("path", ["beside", "bars.csv"])
async def test_odd_codes_do_no_harm_below_the_page(browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.get(f"/symbols/%3Cscript%3E/{path}")
    assert answer.status_code in {200, 404, 422}
    assert "<script>" not in answer.text.replace('<script type="module"', "")
