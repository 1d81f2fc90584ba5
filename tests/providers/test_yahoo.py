"""Yahoo: spans that it allows, charts that are not of what was asked, and bars that must not be lost."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time
from typing import Any

import polars as pl
import pytest

from kaboom.bars.open_provider import build_provider
from kaboom.domain_settings import BatchSettings
from kaboom.errors import ProviderError
from kaboom.market.action import CorporateAction
from kaboom.market.calendar import last_sessions
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, SymbolOutcome
from kaboom.providers.base import BarRequest, FetchedBars
from kaboom.providers.limiter.rate_limiter import NoRateLimit
from kaboom.providers.rows import build_frame
from kaboom.providers.yahoo.parse import ChartQuery, ask_charts, parse_chart
from kaboom.providers.yahoo.provider import YahooProvider, connect_yahoo
from tests.fixtures.providers.fake_yahoo import FakeYahoo, explain, yahoo_server

pytestmark = pytest.mark.anyio

MONDAY = date(2026, 11, 16)
QUERY = ChartQuery("7203", Interval.M1, MONDAY, MONDAY)
NINE = int(datetime(2026, 11, 16, tzinfo=UTC).timestamp())
META = {"symbol": "7203.T", "currency": "JPY", "exchangeTimezoneName": "Asia/Tokyo", "dataGranularity": "1m"}


@pytest.fixture
def fake() -> Iterator[FakeYahoo]:
    with yahoo_server() as fake:
        yield fake


async def fetch(fake: FakeYahoo, interval: Interval, *symbols: str, sessions: tuple[date, ...]) -> FetchedBars:
    # Yahoo is asked in the evening of the last session: no split has come since.
    provider = YahooProvider(connect_yahoo(fake.url, NoRateLimit()), clock=lambda: evening_of(sessions[-1]))
    try:
        return await provider.fetch_bars(BarRequest(symbols, interval, sessions))
    finally:
        await provider.close()


def evening_of(day: date) -> datetime:
    return datetime.combine(day, time(9), UTC)


def chart(stamps: list[Any] | None = None, **changes: Any) -> dict[str, Any]:
    """Return an answer with a bar for each stamp, and changes of the chart's result."""
    times = [NINE] if stamps is None else stamps
    quote = {name: [1000.0 + n for n in range(len(times))] for name in ("open", "high", "low", "close", "volume")}
    result = {"meta": META, "timestamp": times, "indicators": {"quote": [quote]}}
    return {"chart": {"result": [result | changes], "error": None}}


def test_a_day_is_a_day_in_japan() -> None:
    assert datetime.fromtimestamp(QUERY.start_s, UTC) == datetime(2026, 11, 15, 15, tzinfo=UTC)
    assert QUERY.end_s - QUERY.start_s == 86_400
    assert QUERY.path == "/v8/finance/chart/7203.T"
    assert QUERY.params["includePrePost"] == "true"


@pytest.mark.parametrize("count", range(1, 21))
def test_minutes_are_asked_for_in_spans_of_at_most_eight_days(count: int) -> None:
    sessions = last_sessions(count, MONDAY)
    queries = ask_charts("7203", Interval.M5, sessions, until=MONDAY)
    assert {query.interval for query in queries} == {Interval.M1}
    assert all(query.end_s - query.start_s <= 8 * 86_400 for query in queries)
    assert all(any(query.first <= day <= query.last for query in queries) for day in sessions)
    assert len(queries) <= count // 4 + 1


def test_days_are_one_question() -> None:
    (query,) = ask_charts("7203", Interval.D1, last_sessions(250, MONDAY), until=MONDAY)
    assert query.interval is Interval.D1


async def test_each_symbol_is_one_request(fake: FakeYahoo) -> None:
    await fetch(fake, Interval.M1, "7203", "6758", "1301", sessions=last_sessions(5, date(2026, 11, 13)))
    assert sorted(request.path for request in fake.requests) == [
        f"/v8/finance/chart/{symbol}.T" for symbol in ("1301", "6758", "7203")
    ]


async def test_as_many_are_asked_at_once_as_the_settings_say(fake: FakeYahoo) -> None:
    symbols = tuple(str(number) for number in range(1301, 1313))
    fake.market.listed = dict.fromkeys(symbols, "0111")
    # Nobody is answered before all have asked.
    together = threading.Barrier(len(symbols), timeout=30)

    def wait_for_all(_: dict[str, Any]) -> None:
        together.wait()

    fake.spoil = wait_for_all
    settings = BatchSettings(
        yahoo_enabled=True,
        yahoo_base_url=fake.url,
        provider_concurrency="yahoo=12",
        provider_requests_per_minute="yahoo=off",
    )
    provider = build_provider(settings, "yahoo")
    fetched = await provider.fetch_bars(BarRequest(symbols, Interval.M1, (MONDAY,)))
    await provider.close()
    assert set(fetched.bars["symbol"]) == set(symbols)


async def test_the_bars_of_several_spans_are_joined(fake: FakeYahoo) -> None:
    sessions = last_sessions(12, MONDAY)
    fetched = await fetch(fake, Interval.M1, "7203", sessions=sessions)
    assert fetched.bars.height == 12 * 327
    assert len(fake.requests) == 3


async def test_the_closing_auction_stays(fake: FakeYahoo) -> None:
    bars = (await fetch(fake, Interval.M1, "7203", sessions=(MONDAY,))).bars
    assert str(bars["opened_at"].max()) == "2026-11-16 06:30:00+00:00"


@pytest.mark.parametrize(
    ("meta", "message"),
    [
        ({"symbol": "6758.T"}, "meta.symbol '6758.T', expected '7203.T'"),
        ({"currency": "USD"}, "meta.currency 'USD', expected 'JPY'"),
        ({"exchangeTimezoneName": "America/New_York"}, "meta.exchangeTimezoneName 'America/New_York'"),
        ({"dataGranularity": "1d"}, "meta.dataGranularity '1d', expected '1m'"),
        ({"symbol": None}, "meta.symbol 'None'"),
    ],
)
def test_a_chart_of_something_else_is_a_fault(meta: dict[str, Any], message: str) -> None:
    with pytest.raises(ProviderError, match=message) as caught:
        parse_chart(chart(meta=META | meta), QUERY)
    assert caught.value.retryable


@pytest.mark.parametrize(
    "answer",
    [
        {},
        {"finance": {"error": None}},
        {"chart": None},
        {"chart": {"result": [], "error": None}},
        {"chart": {"result": None, "error": None}},
        {"chart": {"result": [None], "error": None}},
        chart(meta=None),
        chart(indicators={}),
        chart(indicators={"quote": []}),
        chart(indicators={"quote": [{}]}),
        chart(timestamp="soon"),
        chart(timestamp=[NINE, NINE + 60]),
        chart(timestamp=["09:00"]),
        chart(timestamp=[None]),
        chart(timestamp=[10**30]),
        chart(timestamp=[NINE + 0.5]),
        chart(indicators={"quote": [{name: ["1"] for name in ("open", "high", "low", "close", "volume")}]}),
    ],
)
def test_what_is_no_chart_is_a_fault_and_never_no_trades(answer: dict[str, Any]) -> None:
    with pytest.raises(ProviderError):
        parse_chart(answer, QUERY)


UNPRICED = {"quote": [{name: [None] for name in ("open", "high", "low", "close", "volume")}]}


@pytest.mark.parametrize("change", [{"timestamp": None}, {"timestamp": []}, {"indicators": UNPRICED}])
def test_a_chart_without_bars_is_no_trades(change: dict[str, Any]) -> None:
    assert parse_chart(chart(**change), QUERY) == SymbolOutcome("7203", Outcome.NO_TRADES)


def parse(answer: dict[str, Any], query: ChartQuery = QUERY) -> pl.DataFrame:
    """Return the bars of a chart that has some."""
    rows = parse_chart(answer, query)
    assert not isinstance(rows, SymbolOutcome)
    return build_frame([rows])


def test_minutes_without_a_price_are_left_out_and_nothing_is_filled_in() -> None:
    values: dict[str, list[float | None]] = {
        name: [10.0, None, 12.0, None] for name in ("open", "high", "low", "close")
    }
    quote = values | {"volume": [100.0, None, None, 0.0]}
    bars = parse(chart([NINE + 60 * n for n in range(4)], indicators={"quote": [quote]}))
    assert bars["close"].to_list() == [10.0, 12.0]
    # A price without a volume is for the quality checks.
    assert bars["volume"].to_list() == [100.0, None]


def test_the_newest_price_that_comes_along_is_left_out() -> None:
    bars = parse(chart([NINE, NINE + 3 * 86_400 + 7]))
    assert bars.height == 1


@pytest.mark.parametrize("stamp", [NINE - 3 * 86_400, NINE + 86_400, 0, -5, 10**12])
def test_bars_of_another_time_alone_are_a_fault(stamp: int) -> None:
    with pytest.raises(ProviderError, match="asked for 2026-11-16 to 2026-11-16, every bar was of another time"):
        parse_chart(chart([stamp]), QUERY)


@pytest.mark.parametrize(("hour", "minute"), [(0, 0), (6, 30), (7, 15)])
def test_a_daily_bar_is_of_its_date_in_japan(hour: int, minute: int) -> None:
    stamp = NINE + hour * 3600 + minute * 60
    query = ChartQuery("7203", Interval.D1, MONDAY, MONDAY)
    bars = parse(chart([stamp], meta=META | {"dataGranularity": "1d"}), query)
    assert bars["opened_at"].to_list() == [datetime(2026, 11, 16, tzinfo=UTC)]


@pytest.mark.parametrize(
    ("code", "text", "status"),
    [
        ("Unprocessable Entity", "1m data not available. The requested range must be within the last 30 days.", 422),
        ("Bad Request", "Data doesn't exist for startDate = 1, endDate = 2", 400),
        ("Internal Server Error", "oops", 200),
    ],
)
async def test_yahoo_s_own_reason_is_passed_on(fake: FakeYahoo, code: str, text: str, status: int) -> None:
    fake.faults = [lambda *_: explain(code, text, status)]
    with pytest.raises(ProviderError, match=text[:20]) as caught:
        await fetch(fake, Interval.M1, "7203", sessions=(MONDAY,))
    assert not caught.value.retryable


async def test_preferred_shares_are_not_asked_for(fake: FakeYahoo) -> None:
    fetched = await fetch(fake, Interval.D1, "25935", sessions=(MONDAY,))
    assert fetched.outcomes["25935"].outcome is Outcome.INVALID
    assert not fake.requests


async def test_a_symbol_of_which_some_spans_are_unknown_is_listed(fake: FakeYahoo) -> None:
    gone: Callable[..., Any] = lambda *_: explain("Not Found", "No data found", 404)  # noqa: E731
    fake.faults = [gone]
    fetched = await fetch(fake, Interval.M1, "7203", sessions=last_sessions(12, MONDAY))
    assert not fetched.outcomes
    assert fetched.bars.height > 0


def with_split(session: date, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Add a split of one share into five to a chart."""
    at = int(datetime.combine(session, datetime.min.time(), UTC).timestamp())
    split = {"date": at, "numerator": 5.0, "denominator": 1.0, "splitRatio": "5:1"} | changes
    return lambda result: result.update({"events": {"splits": {str(at): split}}})


@pytest.mark.parametrize("interval", [Interval.M1, Interval.D1])
async def test_a_split_of_a_day_asked_for_is_an_action(fake: FakeYahoo, interval: Interval) -> None:
    fake.spoil = with_split(MONDAY)
    fetched = await fetch(fake, interval, "7203", sessions=(MONDAY,))
    assert fetched.actions == [CorporateAction("7203", MONDAY, 0.2)]
    fake.spoil = with_split(date(2026, 11, 13))  # before the first session asked for
    assert (await fetch(fake, interval, "7203", sessions=(MONDAY,))).actions == []
    fake.spoil = with_split(MONDAY, denominator=5.0)
    assert (await fetch(fake, interval, "7203", sessions=(MONDAY,))).actions == []


@pytest.mark.parametrize("changes", [{"numerator": 0}, {"denominator": "1"}, {"date": None}, {"numerator": 1e12}])
async def test_an_unreadable_split_is_a_fault(fake: FakeYahoo, changes: dict[str, Any]) -> None:
    fake.spoil = with_split(MONDAY, **changes)
    fetched = await fetch(fake, Interval.D1, "7203", sessions=(MONDAY,))
    assert fetched.outcomes["7203"].outcome is Outcome.PROVIDER_ERROR
    assert "had the split" in fetched.outcomes["7203"].message


def with_dividend(**changes: Any) -> Callable[[dict[str, Any]], None]:
    """Add a dividend of 45 yen a share to a chart."""
    at = int(datetime.combine(MONDAY, datetime.min.time(), UTC).timestamp())
    return lambda result: result.update({"events": {"dividends": {str(at): {"date": at, "amount": 45.0} | changes}}})


@pytest.mark.parametrize("interval", [Interval.M1, Interval.D1])
async def test_a_dividend_of_a_day_asked_for_is_an_action(fake: FakeYahoo, interval: Interval) -> None:
    fake.spoil = with_dividend()
    fetched = await fetch(fake, interval, "7203", sessions=(MONDAY,))
    assert fetched.actions == [CorporateAction("7203", MONDAY, amount=45.0)]
    fake.spoil = with_dividend(amount=0)
    fetched = await fetch(fake, interval, "7203", sessions=(MONDAY,))
    assert (fetched.actions, fetched.outcomes) == ([], {})


@pytest.mark.parametrize(
    "changes", [{"amount": -1}, {"amount": "45"}, {"amount": None}, {"date": None}, {"amount": 1e9}]
)
async def test_an_unreadable_dividend_is_a_fault(fake: FakeYahoo, changes: dict[str, Any]) -> None:
    fake.spoil = with_dividend(**changes)
    fetched = await fetch(fake, Interval.D1, "7203", sessions=(MONDAY,))
    assert fetched.outcomes["7203"].outcome is Outcome.PROVIDER_ERROR
    assert "had the dividend" in fetched.outcomes["7203"].message
