"""J-Quants: what is asked, that pages end, and that rows of something else are refused."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import polars as pl
import pytest

from kaboom.drivers.http.client import HttpClient
from kaboom.errors import ProviderError
from kaboom.market.action import CorporateAction
from kaboom.market.interval import Interval
from kaboom.market.listing import Listing, Market
from kaboom.market.outcome import Outcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.jquants import query
from kaboom.providers.jquants.get import JQUANTS_SERVER, JquantsSource
from kaboom.providers.jquants.parse import parse_calendar, parse_daily, parse_listings, parse_master, parse_minutes
from kaboom.providers.jquants.provider import JquantsProvider
from kaboom.providers.jquants.query import DAILY, MINUTES, ask_all, ask_one
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.wire import ProviderWire
from tests.fixtures.providers.fake_jquants import API_KEY, FakeJquants, jquants_server
from tests.fixtures.providers.provider_faults import as_json

pytestmark = pytest.mark.anyio

FRIDAY, MONDAY = date(2026, 11, 13), date(2026, 11, 16)
DAY = {"Date": "2026-11-16", "Code": "72030", "O": 10, "H": 12.5, "L": 9.0, "C": 11.0, "Vo": 100.0, "AdjFactor": 1.0}
MINUTE = DAY | {"Time": "09:00"}
EMPTY = dict.fromkeys(("O", "H", "L", "C", "Vo"))


@pytest.fixture
def fake() -> Iterator[FakeJquants]:
    with jquants_server() as fake:
        yield fake


async def fetch(fake: FakeJquants, interval: Interval, *symbols: str, sessions: tuple[date, ...]) -> FetchedBars:
    provider = JquantsProvider(JquantsSource.connect(fake.url + "/", API_KEY, NoRateLimit()))
    try:
        return await provider.fetch_bars(BarRequest(symbols, interval, sessions))
    finally:
        await provider.close()


@pytest.mark.parametrize(
    ("asked", "params"),
    [
        (
            ask_one(MINUTES, "285A", FRIDAY, MONDAY),
            {"code": "285A0", "from": "2026-11-13", "to": "2026-11-16"},
        ),
        (
            ask_one(DAILY, "25935", MONDAY, MONDAY),
            {"code": "25935", "from": "2026-11-16", "to": "2026-11-16"},
        ),
        (ask_all(DAILY, MONDAY), {"date": "2026-11-16"}),
        (query.ask_master(MONDAY, "7203"), {"code": "72030", "date": "2026-11-16"}),
    ],
)
def test_symbols_become_five_characters_and_days_dates(asked: query.JquantsQuery, params: dict[str, str]) -> None:
    assert asked.params == params


@pytest.mark.parametrize("count", [1, 2, 20, 245, 1000])
def test_the_calendar_is_asked_for_days_enough(count: int) -> None:
    params = query.ask_calendar(count, date(2026, 5, 7)).params
    rows = FakeJquants()._calendar(dict(params))
    assert len(parse_calendar(rows, count, date(2026, 5, 7))) == count


def test_a_calendar_counts_half_days_and_must_reach_to_the_day() -> None:
    rows = [{"Date": f"2026-11-{day}", "HolDiv": kind} for day, kind in ((12, "2"), (13, "1"), (14, "0"), (15, "3"))]
    assert parse_calendar(rows, 5, date(2026, 11, 15)) == (date(2026, 11, 12), FRIDAY)
    with pytest.raises(ProviderError, match="the calendar ends with 2026-11-15, expected it to reach to 2026-11-16"):
        parse_calendar(rows, 5, MONDAY)
    with pytest.raises(ProviderError, match="HolDiv was '7'"):
        parse_calendar([{"Date": "2026-11-16", "HolDiv": "7"}], 1, MONDAY)


@pytest.mark.parametrize(
    ("market", "symbols"),
    [
        (Market.TSE_PRIME, ("6758", "7203")),
        (Market.TSE_STANDARD, ("1301",)),
        (Market.TSE_GROWTH, ("285A",)),
    ],
)
def test_a_universe_is_the_ordinary_shares_of_a_section(market: Market, symbols: tuple[str, ...]) -> None:
    rows = FakeJquants()._master({"date": "2026-11-16"})
    assert {"25935", "13060"} <= {row["Code"] for row in rows}
    assert parse_master(rows, market, MONDAY) == symbols


def test_a_list_of_another_day_is_no_universe() -> None:
    with pytest.raises(ProviderError, match="asked for 2026-11-16, rows were of 2026-11-13"):
        parse_master(FakeJquants()._master({"date": "2026-11-13"}), Market.TSE_PRIME, MONDAY)
    with pytest.raises(ProviderError, match="no issue of TSE_PRIME among 0"):
        parse_master([], Market.TSE_PRIME, MONDAY)


def test_prices_are_those_as_traded() -> None:
    (row,) = parse_daily([DAY | {"AdjFactor": 0.2, "AdjC": 2.2}], ["7203"], [MONDAY]).rows(named=True)
    assert (row["symbol"], row["open"], row["close"], row["volume"]) == ("7203", 10.0, 11.0, 100.0)
    assert str(row["opened_at"]) == "2026-11-16 00:00:00+00:00"


def test_minutes_are_in_japan_s_time() -> None:
    bars = parse_minutes([MINUTE, MINUTE | {"Time": "15:30"}], "7203", [MONDAY])
    assert [str(at) for at in bars["opened_at"]] == ["2026-11-16 00:00:00+00:00", "2026-11-16 06:30:00+00:00"]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (MINUTE | {"Code": "67580"}, "asked for 72030, rows were of '67580'"),
        (MINUTE | {"Date": "2026-11-13"}, "asked for 2026-11-16, rows were of 2026-11-13"),
        (MINUTE | {"Date": "16.11.2026"}, "Date was no YYYY-MM-DD"),
        (MINUTE | {"Date": None}, "Date was no YYYY-MM-DD"),
        (MINUTE | {"Time": "25:99"}, "Time was no HH:MM"),
        (MINUTE | {"Time": None}, "Time was no HH:MM"),
        (MINUTE | {"O": "10"}, "of another type"),
        (MINUTE | {"Vo": [1]}, "of another type"),
        ({name: value for name, value in MINUTE.items() if name != "C"}, r"lacked \['C'\]"),
    ],
)
def test_a_row_that_is_not_as_documented_is_a_fault(row: dict[str, Any], message: str) -> None:
    with pytest.raises(ProviderError, match=message):
        parse_minutes([row], "7203", [MONDAY])


def test_a_field_that_is_gone_is_not_a_day_without_trades() -> None:
    with pytest.raises(ProviderError, match="daily bars lacked"):
        parse_daily([{"Date": "2026-11-16", "Code": "72030"}], ["7203"], [MONDAY])


async def test_a_day_without_values_is_no_trades_and_no_row_is_not_listed(fake: FakeJquants) -> None:
    fake.market.quiet = {"6758"}
    fetched = await fetch(fake, Interval.D1, "7203", "6758", "9999", sessions=(FRIDAY, MONDAY))
    assert fetched.bars["symbol"].to_list() == ["7203", "7203"]
    assert {s: o.outcome for s, o in fetched.outcomes.items()} == {
        "6758": Outcome.NO_TRADES,
        "9999": Outcome.NOT_LISTED,
    }


async def test_a_day_that_is_not_there_yet_is_a_fault(fake: FakeJquants) -> None:
    fake.spoil = lambda _rows: []
    with pytest.raises(ProviderError, match=r"2026-11-16 had 0 rows.*at about 16:30 in Japan") as caught:
        await fetch(fake, Interval.D1, "7203", sessions=(MONDAY,))
    assert caught.value.retryable


async def test_a_day_of_which_most_is_missing_is_a_fault(fake: FakeJquants) -> None:
    symbols = [str(n) for n in range(1300, 1330)]
    fake.market.listed = dict.fromkeys(symbols, "0111")
    fake.spoil = lambda rows: rows[:10]
    with pytest.raises(ProviderError, match="2026-11-16 had 10 rows, of 30 issues asked for 10"):
        await fetch(fake, Interval.D1, *symbols, sessions=(MONDAY,))


async def test_all_pages_are_read(fake: FakeJquants) -> None:
    fake.minute_page_rows = 100
    whole = (await fetch(fake, Interval.M1, "7203", sessions=(MONDAY,))).bars
    assert (whole.height, len(fake.requests)) == (327, 4)
    assert [params.get("pagination_key") for params in fake.asked("/equities/bars/minute")] == [
        None,
        "page-1",
        "page-2",
        "page-3",
    ]
    assert {params["code"] for params in fake.asked("/equities/bars/minute")} == {"72030"}


@pytest.mark.parametrize("key", ["page-1", 7, {"at": 1}])
async def test_pages_that_go_round_have_an_end(fake: FakeJquants, key: Any) -> None:
    fake.faults = [lambda *_: as_json({"data": [MINUTE], "pagination_key": key})] * 1_000
    with pytest.raises(ProviderError, match="came with a pagination_key again"):
        await fetch(fake, Interval.M1, "7203", sessions=(MONDAY,))
    assert len(fake.requests) <= 2


async def test_pages_without_end_are_given_up(fake: FakeJquants) -> None:
    fake.faults = [lambda *_, n=n: as_json({"data": [], "pagination_key": f"k{n}"}) for n in range(10)]
    wire = ProviderWire(HttpClient(fake.url), JQUANTS_SERVER, NoRateLimit(), headers={"x-api-key": API_KEY})
    source = JquantsSource(wire, most_pages=7)
    with pytest.raises(ProviderError, match="had more than 7 pages"):
        await source.fetch_rows(ask_one(MINUTES, "7203", MONDAY, MONDAY))
    await source.close()
    assert len(fake.requests) == 7


async def test_minutes_between_the_sessions_asked_for_are_left_out(fake: FakeJquants) -> None:
    sessions = (date(2026, 11, 12), MONDAY)
    fetched = await fetch(fake, Interval.M1, "7203", sessions=sessions)
    days = fetched.bars["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.date().unique().sort()
    assert days.to_list() == list(sessions)


async def test_the_key_travels_in_its_header_alone(fake: FakeJquants) -> None:
    source = JquantsSource.connect(fake.url, API_KEY, NoRateLimit())
    await source.fetch_rows(query.ask_master(MONDAY))
    await source.close()
    (request,) = fake.requests
    assert request.headers["x-api-key"] == API_KEY
    assert API_KEY not in request.target
    assert "gzip" in request.headers["accept-encoding"]


def test_rows_of_issues_that_nobody_asked_for_are_left_out() -> None:
    bars = parse_daily([DAY, DAY | {"Code": "13060"}, DAY | {"Code": "67580"} | EMPTY], ["6758"], [MONDAY])
    assert bars["symbol"].to_list() == ["6758"]
    assert bars.select(pl.col("open", "volume").is_null().all()).row(0) == (True, True)


def split(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Have 7203 split one into three on Monday, and an issue that nobody asks for into two."""
    on_monday = {("72030", "2026-11-16"): 0.333333, ("13010", "2026-11-16"): 0.5}
    return [row | {"AdjFactor": on_monday.get((row["Code"], row["Date"]), 1.0)} for row in rows]


@pytest.mark.parametrize("sessions", [(MONDAY,), (FRIDAY, MONDAY)], ids=["by day", "by issue"])
async def test_a_factor_that_is_not_1_is_an_action(fake: FakeJquants, sessions: tuple[date, ...]) -> None:
    fake.spoil = split
    fetched = await fetch(fake, Interval.D1, "7203", sessions=sessions)
    assert fetched.actions == [CorporateAction("7203", MONDAY, 1 / 3)]
    assert fetched.bars.height == len(sessions)
    assert (await fetch(fake, Interval.D1, "6758", sessions=sessions)).actions == []


async def test_an_impossible_factor_is_a_fault(fake: FakeJquants) -> None:
    fake.spoil = lambda rows: [row | {"AdjFactor": -2.0} for row in rows]
    with pytest.raises(ProviderError, match="AdjFactor: factor was -2"):
        await fetch(fake, Interval.D1, "7203", sessions=(MONDAY,))


async def test_the_master_is_the_ordinary_shares_of_the_three_markets(fake: FakeJquants) -> None:
    fake.page_rows = 2
    fake.about["72030"] = {
        "CoName": "ﾄﾖﾀ自動車",
        "CoNameEn": "TOYOTA MOTOR",
        "S33Nm": "輸送用機器",
        "ScaleCat": "TOPIX Core30",
    }
    fake.about["285A0"] = {"CoName": None, "S33Nm": "-"}
    provider = JquantsProvider(JquantsSource.connect(fake.url, API_KEY, NoRateLimit()))
    try:
        master = await provider.fetch_master(MONDAY)
    finally:
        await provider.close()
    assert (master.as_of, master.source) == (MONDAY, "J-Quants API v2, /equities/master")
    assert master.listings == (
        Listing("1301", "-", Market.TSE_STANDARD, "", ""),
        Listing("285A", "", Market.TSE_GROWTH, "", ""),
        Listing("6758", "-", Market.TSE_PRIME, "", ""),
        Listing("7203", "トヨタ自動車", Market.TSE_PRIME, "輸送用機器", "TOPIX Core30", "TOYOTA MOTOR"),
    )
    assert len(fake.asked("/equities/master")) == 3


ISSUE = {
    "Date": "2026-11-16",
    "Code": "72030",
    "CoName": "x",
    "CoNameEn": "X",
    "Mkt": "0111",
    "S33Nm": "y",
    "ScaleCat": "-",
}


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "0 ordinary shares"),
        ([ISSUE | {"Mkt": "0109"}], "0 ordinary shares"),
        ([ISSUE, ISSUE], "2 ordinary shares with 1 symbols"),
        ([ISSUE | {"Date": "2026-11-13"}], "rows were of 2026-11-13"),
        ([{name: value for name, value in ISSUE.items() if name != "CoName"}], "lacked ['CoName']"),
        ([ISSUE | {"CoName": 5}], "another type"),
    ],
)
def test_a_list_of_something_else_is_refused(rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(ProviderError) as caught:
        parse_listings(rows, MONDAY)
    assert message in caught.value.message


def test_the_calendar_is_asked_for_twice_the_sessions_and_the_longest_closure() -> None:
    asked = query.ask_calendar(10, date(2025, 6, 30))
    assert (asked.path, dict(asked.params)) == ("/markets/calendar", {"from": "2025-05-27", "to": "2025-06-30"})
