"""Rejected rows over HTTP: newest first, by session, symbol and reason, page by page."""

from datetime import date
from typing import Any

import httpx2
import pytest

from kaboom.bars.store import BarStore
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market_data.schemas import QuarantinePage
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, Row, at, refused

pytestmark = pytest.mark.anyio
PATH = "/api/v1/bars/quarantine"
MONDAY, TUESDAY = date(2025, 11, 3), date(2025, 11, 4)
HOSTILE = "<script>\u202e\u001b[31m" + "x" * 10_000


def row(symbol: str, session: date | None, minute: int, reason: str) -> Row:
    return (symbol, None if session is None else at(session, minute), 1.0, 2.0, 0.0, 1.5, -7.0, reason)


ROWS = [
    row("7203", MONDAY, 0, "bad_volume"),
    row("6758", TUESDAY, 0, "bad_volume"),
    row("7203", TUESDAY, 0, "bad_volume"),
    row("7203", TUESDAY, 0, "duplicate"),
    row("7203", TUESDAY, 5, "off_grid"),
    row("", None, 0, "closed_day"),
    row(HOSTILE, TUESDAY, 1, "wrong_symbol"),
    row(HOSTILE + "y", TUESDAY, 1, "wrong_symbol"),
]
NEWEST_FIRST = [ROWS[n] for n in (4, 6, 7, 1, 2, 3, 0, 5)]


@pytest.fixture(autouse=True)
async def rejected(store: BarStore) -> None:
    """The rejected rows of the store."""
    await store.quarantine(MINUTES, refused(*ROWS))
    await store.quarantine(DAILY, refused(row("1301", TUESDAY, 0, "ohlc_order")))


async def ok(http: httpx2.AsyncClient, **params: Any) -> dict[str, Any]:
    answer = await http.get(PATH, params=params)
    assert answer.status_code == 200, answer.text
    QuarantinePage.model_validate_json(answer.text)
    found: dict[str, Any] = answer.json()
    return found


def keys(page: dict[str, Any]) -> list[tuple[str, str]]:
    return [(each["symbol"], each["reason"]) for each in page["items"]]


async def test_rows_come_newest_first_with_their_values(market: httpx2.AsyncClient) -> None:
    page = await ok(market)
    assert keys(page) == [(each[0], each[-1]) for each in NEWEST_FIRST]
    assert (page["total"], page["provider"], page["is_real"]) == (8, "synthetic", False)
    assert list(page["reasons"].items())[:3] == [("bad_volume", 3), ("wrong_symbol", 2), ("closed_day", 1)]
    first, last = page["items"][0], page["items"][-1]
    assert (first["session"], first["opened_at"]) == ("2025-11-04", "2025-11-04T00:05:00Z")
    assert [first[name] for name in ("open", "high", "low", "close", "volume")] == [1.0, 2.0, 0.0, 1.5, -7.0]
    assert (last["symbol"], last["session"], last["opened_at"]) == ("", None, None)


async def test_session_symbol_and_reason_choose_rows(market: httpx2.AsyncClient) -> None:
    monday = await ok(market, session="2025-11-03")
    assert keys(monday) == [("7203", "bad_volume")]
    one = await ok(market, session="2025-11-04", symbol="7203", reason="duplicate")
    assert (keys(one), one["total"]) == ([("7203", "duplicate")], 1)
    # The other reasons stay in sight, so that a page can lead to them.
    assert one["reasons"] == {"bad_volume": 1, "duplicate": 1, "off_grid": 1}
    assert keys(await ok(market, symbol="")) == [("", "closed_day")]
    assert keys(await ok(market, interval="1d")) == [("1301", "ohlc_order")]
    assert keys(await ok(market, provider="file")) == []


async def test_a_row_of_a_file_says_where_it_stands(market: httpx2.AsyncClient, store: BarStore) -> None:
    await store.quarantine(
        BarSeries("file", Interval.D1), refused((*row("7203", TUESDAY, 0, "bad_price"), "7203.csv", 17))
    )
    (found,) = (await ok(market, provider="file", interval="1d"))["items"]
    assert (found["file"], found["line"]) == ("7203.csv", 17)
    (other,) = (await ok(market, symbol=""))["items"]
    assert (other["file"], other["line"]) == (None, None)


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
async def test_pages_follow_one_another_also_within_one_minute(market: httpx2.AsyncClient, limit: int) -> None:
    seen, page = [], await ok(market, limit=limit)
    for _ in ROWS:
        assert page["items"]
        seen += keys(page)
        if page["next_cursor"] is None:
            break
        assert len(page["next_cursor"]) <= 300
        page = await ok(market, limit=limit, cursor=page["next_cursor"])
    assert seen == [(each[0], each[-1]) for each in NEWEST_FIRST]
    assert page["next_cursor"] is None


async def test_a_row_written_meanwhile_shifts_no_page(market: httpx2.AsyncClient, store: BarStore) -> None:
    first = await ok(market, limit=4)
    await store.quarantine(MINUTES, refused(row("9999", TUESDAY, 9, "future"), row("1301", TUESDAY, 0, "future")))
    rest = await ok(market, limit=10, cursor=first["next_cursor"])
    assert keys(rest) == [(each[0], each[-1]) for each in NEWEST_FIRST[4:]]


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("session=today", 422),
        ("reason=%3Cscript%3E", 422),
        ("symbol=" + "x" * 101, 422),
        ("provider=bloomberg", 422),
        ("limit=10001", 422),
        ("limit=0", 422),
        ("color=red", 422),
        ("cursor=AAAA", 400),
    ],
)
async def test_nonsense_is_refused(market: httpx2.AsyncClient, query: str, status: int) -> None:
    assert (await market.get(f"{PATH}?{query}")).status_code == status


async def test_a_spreadsheet_gets_the_same_rows(market: httpx2.AsyncClient) -> None:
    answer = await market.get(PATH, params={"symbol": "7203"}, headers={"accept": "text/csv"})
    lines = answer.text.splitlines()
    assert lines[0].startswith("provider,interval,session,symbol,opened_at")
    assert len(lines) == 5
