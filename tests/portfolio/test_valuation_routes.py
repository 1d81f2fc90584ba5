"""Valuation and history over HTTP: which close counts, its time and finality, splits, and what has no price."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from kaboom.bars.actions.store import ActionStore
from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.bars.store import BarStore
from kaboom.market.action import ActionState
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from tests.fixtures.bars.noted_actions import dividend_note, note
from tests.fixtures.bars.stored_bars import DAILY, MINUTES, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.fixtures.portfolio.client import Account

pytestmark = pytest.mark.anyio
TUESDAY, WEDNESDAY, THURSDAY = date(2025, 11, 4), date(2025, 11, 5), date(2025, 11, 6)
ROLLED_UP = BarSeries("synthetic_from_1m", Interval.D1)


@pytest.fixture
def bars(tmp_path: Path, account: Account) -> BarStore:
    """The bars of the API."""
    return build_bar_store(memory_settings(tmp_path, bar_store="pages"))


@pytest.fixture
def actions(tmp_path: Path, account: Account) -> ActionStore:
    """The corporate actions of the API."""
    return build_action_store(memory_settings(tmp_path, bar_store="pages"))


def asked(session: date, asked_at: datetime) -> pl.DataFrame:
    """Return the fetch log of one bar of 7203."""
    row = {"symbol": "7203", "session": session, "bars": 1, "asked_at": asked_at}
    return pl.DataFrame([row]).cast({"asked_at": pl.Datetime("us", "UTC")})


async def buy(account: Account) -> None:
    await account.deposit("1000000")
    await account.trade("buy", 100, "3000", fee="100")


async def test_a_valuation_names_the_close_its_time_and_finality(account: Account, bars: BarStore) -> None:
    await buy(account)
    await bars.write(DAILY, frame(bar("7203", at(TUESDAY), 3010.0), bar("7203", at(WEDNESDAY), 3020.3)))
    await bars.save_fetch_log(DAILY, asked(WEDNESDAY, datetime(2025, 11, 5, 5, tzinfo=UTC)))
    found = await account.get("/valuation")
    (held,) = found.pop("items")
    assert held["price"] == {
        "close": "3020.3",
        "session": "2025-11-05",
        "at": "2025-11-05T06:30:00Z",
        "interval": "1d",
        "source": "synthetic",
        # It was asked for before the session was over.
        "is_final": False,
    }
    assert (held["value"], held["unrealised"]) == ("302030", "1930")
    assert found == {
        "provider": "synthetic",
        "is_real": False,
        "cash": "699900",
        "net_deposits": "1000000",
        "realised": "0",
        "income": "0",
        "costs": "0",
        "cost": "300100",
        "value": "302030",
        "equity": "1001930",
        "unrealised": "1930",
        "profit": "1930",
        "unpriced": [],
    }
    await bars.save_fetch_log(DAILY, asked(WEDNESDAY, datetime(2025, 11, 7, 5, tzinfo=UTC)))
    assert (await account.get("/valuation"))["items"][0]["price"]["is_final"] is True


async def test_the_newest_session_counts_and_its_daily_bar_first(account: Account, bars: BarStore) -> None:
    await buy(account)
    await bars.write(ROLLED_UP, frame(bar("7203", at(TUESDAY), 3001.0)))
    await bars.write(MINUTES, frame(bar("7203", at(TUESDAY, 10), 3002.0)))
    price = (await account.get("/valuation"))["items"][0]["price"]
    assert (price["close"], price["source"], price["interval"]) == ("3001", "synthetic_from_1m", "1d")
    await bars.write(MINUTES, frame(bar("7203", at(WEDNESDAY, 10), 3003.0)))
    price = (await account.get("/valuation"))["items"][0]["price"]
    assert (price["close"], price["interval"], price["at"]) == ("3003", "1m", "2025-11-05T00:11:00Z")
    await bars.write(DAILY, frame(bar("7203", at(WEDNESDAY), 3004.0)))
    price = (await account.get("/valuation"))["items"][0]["price"]
    assert (price["close"], price["source"]) == ("3004", "synthetic")


async def test_the_bars_of_another_provider_are_no_price(account: Account, bars: BarStore) -> None:
    await buy(account)
    await bars.write(BarSeries("yahoo", Interval.D1), frame(bar("7203", at(TUESDAY), 3010.0)))
    found = await account.get("/valuation")
    assert (found["value"], found["equity"], found["profit"], found["unpriced"]) == (None, None, None, ["7203"])
    assert found["items"][0]["price"] is None


async def test_a_split_changes_shares_and_the_close_before_it(
    account: Account, bars: BarStore, actions: ActionStore
) -> None:
    await buy(account)
    await bars.write(DAILY, frame(bar("7203", at(TUESDAY), 3000.0)))
    await actions.save("synthetic", note("7203", WEDNESDAY, 1 / 3))
    await actions.save("synthetic", note("7203", THURSDAY, 0.5, ActionState.SUSPECTED))
    (held,) = (await account.get("/positions"))["items"]
    assert (held["quantity"], held["average_cost"], held["cost"]) == (300, "1000.3333", "300100")
    assert (await account.get("/valuation"))["value"] == "300000"
    await bars.write(DAILY, frame(bar("7203", at(WEDNESDAY), 1010.0)))
    assert (await account.get("/valuation"))["value"] == "303000"
    await account.trade("sell", 300, "1020", day="2025-11-05")
    # A person says that there was no split: 300 shares were sold of 100.
    await actions.save("synthetic", note("7203", WEDNESDAY, 1 / 3, ActionState.REJECTED))
    for part in ("/positions", "/valuation", "/equity"):
        answer = await account.http.get(account.path + part)
        assert answer.status_code == 409
        assert answer.json()["detail"] == "7203 would be short on 2025-11-05: 300 sold, 100 held"
    assert (await account.get("/cash"))["cash"] == "1005900"


async def test_history_is_by_session(account: Account, bars: BarStore, actions: ActionStore) -> None:
    await buy(account)
    await account.book("/cash", kind="deposit", amount="1", day="2025-11-08")
    await bars.write(ROLLED_UP, frame(bar("7203", at(TUESDAY), 1.0), bar("7203", at(WEDNESDAY), 3010.0)))
    await bars.write(DAILY, frame(bar("7203", at(TUESDAY), 3000.0), bar("7203", at(THURSDAY), 1500.0)))
    await actions.save("synthetic", note("7203", THURSDAY, 0.5))
    found = await account.get("/equity", last="2025-11-10")
    assert (found["provider"], found["is_real"]) == ("synthetic", False)
    rows = [(r["day"][-2:], r["value"], r["equity"], r["net_deposits"], r["stale"]) for r in found["items"]]
    assert rows == [
        ("04", "300000", "999900", "1000000", 0),
        ("05", "301000", "1000900", "1000000", 0),
        ("06", "300000", "999900", "1000000", 0),
        ("07", "300000", "999900", "1000000", 1),
        ("10", "300000", "999901", "1000001", 1),
    ]
    later = await account.get("/equity", first="2025-11-07", last="2025-11-07")
    assert [row["value"] for row in later["items"]] == ["300000"]
    assert (await account.get("/equity", first="2025-11-01", last="2025-11-03"))["items"] == []


async def test_history_ends_at_the_newest_close_if_the_last_year_has_none(account: Account, bars: BarStore) -> None:
    await account.deposit("1000000", day="2023-11-06")
    await account.trade("buy", 100, "3000", day="2023-11-06")
    assert {row["equity"] for row in (await account.get("/equity"))["items"]} == {None}
    closes = {date(2023, 11, day): 3000.0 + day for day in (6, 7, 8)}
    await bars.write(DAILY, frame(*(bar("7203", at(day), close) for day, close in closes.items())))
    rows = (await account.get("/equity"))["items"]
    assert [(row["day"], row["equity"]) for row in rows] == [
        (str(day), str(1_000_000 + 100 * (close - 3000)).removesuffix(".0")) for day, close in closes.items()
    ]


async def test_history_of_an_empty_portfolio_is_empty(account: Account) -> None:
    assert (await account.get("/equity"))["items"] == []
    assert (await account.get("/valuation"))["equity"] == "0"


async def test_history_has_a_longest_span(account: Account) -> None:
    await account.deposit("1", day="1991-01-04")
    answer = await account.http.get(f"{account.path}/equity", params={"first": "1991-01-04"})
    assert answer.status_code == 422
    assert "expected at most 3660 days before" in answer.json()["detail"]
    assert len((await account.get("/equity", first="1991-01-04", last="1991-01-10"))["items"]) == 5


async def test_dividends_are_booked_once_on_their_ex_session(account: Account, actions: ActionStore) -> None:
    await buy(account)
    await actions.save("synthetic", dividend_note("7203", TUESDAY, 30.0))
    await actions.save("synthetic", dividend_note("7203", WEDNESDAY, 45.5))
    await actions.save("synthetic", note("7203", WEDNESDAY, 0.5))
    await actions.save("synthetic", dividend_note("7203", THURSDAY, 10.0, ActionState.REJECTED))
    answers = [(await account.post("/dividends")) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    (paid,) = answers[0].json()["items"]
    # Bought on Tuesday: the dividend of that ex-session is the seller's. A split of Wednesday comes after it.
    assert (paid["day"], paid["symbol"], paid["kind"], paid["amount"]) == ("2025-11-05", "7203", "dividend", "4550")
    assert paid["note"] == "100 shares at 45.5"
    assert answers[1].json()["items"] == []
    found = await account.get("/positions")
    assert (found["cash"], found["income"], found["items"][0]["quantity"]) == ("704450", "4550", 200)
    await account.book("/reversals", entry_id=paid["id"])
    assert (await account.post("/dividends")).json()["items"] == []
