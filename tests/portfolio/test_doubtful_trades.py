"""Trades that the calendar or the bars speak against are booked only with `force`."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from kaboom.bars.open import build_bar_store
from tests.fixtures.bars.stored_bars import DAILY, at, bar, frame
from tests.fixtures.jobs.apps import memory_settings
from tests.fixtures.portfolio.client import HEAD, Account

pytestmark = pytest.mark.anyio
TUESDAY = "2025-11-04"
TRADE: dict[str, Any] = {"side": "buy", "symbol": "7203", "quantity": 100}


@pytest.fixture
async def funded(account: Account, tmp_path: Path) -> Account:
    """A portfolio with cash, over a bar of 7203 on a Tuesday, of 1,299 to 1,301 yen."""
    bars = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    await bars.write(DAILY, frame(bar("7203", at(date(2025, 11, 4)), 1300.0)))
    await account.deposit("10000000", "2025-10-01")
    return account


@pytest.mark.parametrize(
    ("day", "price", "pointer"),
    [
        ("2025-11-02", "1300", "#/day"),
        ("2025-11-03", "1300", "#/day"),
        (TUESDAY, "3", "#/price"),
        (TUESDAY, "1500", "#/price"),
        ("2025-11-06", "13000", "#/price"),
    ],
    ids=["Sunday", "holiday", "3 yen", "above the day", "ten times, two days later"],
)
async def test_a_doubtful_trade_needs_force(funded: Account, day: str, price: str, pointer: str) -> None:
    body = TRADE | {"day": day, "price": price}
    refused = await funded.post("/trades", **body)
    (error,) = refused.json()["errors"]
    assert (refused.status_code, error["pointer"]) == (422, pointer)
    assert error["detail"].endswith("; set force (--force) to book it")
    assert (await funded.get("/trades"))["items"] == []
    assert (await funded.book("/trades", **body, force=True))["price"] == price


@pytest.mark.parametrize(
    ("day", "price"), [(TUESDAY, "1299.5"), (TUESDAY, "1400"), ("2025-11-06", "1600"), ("2025-11-20", "3")]
)
async def test_a_trade_near_the_bars_or_far_from_any_is_booked(funded: Account, day: str, price: str) -> None:
    await funded.book("/trades", **TRADE, day=day, price=price)


async def test_a_portfolio_of_own_files_has_the_calendar_of_the_tse(funded: Account) -> None:
    filed = await Account.create(funded.http, name="own files", provider="file")
    await filed.deposit("10000000", "2025-10-01")
    refused = await filed.post("/trades", **TRADE, day="2025-11-02", price="1300")
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/day"]
    await filed.book("/trades", **TRADE, day="2025-11-02", price="1300", force=True)


async def test_a_file_names_each_doubtful_line(funded: Account) -> None:
    csv = (
        HEAD + "2025-11-02,buy,7203,100,1300,,,\r\n2025-11-04,buy,7203,100,1300,,,\r\n2025-11-04,buy,7203,100,3,,,\r\n"
    )
    refused = await funded.post("/import", csv=csv)
    assert [error["pointer"] for error in refused.json()["errors"]] == ["#/csv/2", "#/csv/4"]
    assert (await funded.get("/trades"))["items"] == []
    assert (await funded.book("/import", csv=csv, force=True))["entries"] == 3


async def test_a_booked_trade_is_answered_again_after_bars_speak_against_it(account: Account, tmp_path: Path) -> None:
    await account.deposit("1000")
    body = TRADE | {"day": TUESDAY, "price": "3"}
    first = await account.post("/trades", key="one", **body)
    await build_bar_store(memory_settings(tmp_path, bar_store="pages")).write(
        DAILY, frame(bar("7203", at(date(2025, 11, 4)), 1300.0))
    )
    again = await account.post("/trades", key="one", **body)
    assert (first.status_code, again.status_code, again.json()["id"]) == (201, 201, first.json()["id"])


async def test_the_reason_is_japanese_where_the_caller_is(funded: Account) -> None:
    body = TRADE | {"day": TUESDAY, "price": "3"}
    refused = await funded.http.post(f"{funded.path}/trades", json=body, headers={"accept-language": "ja"})
    assert "それでも記帳するには force" in refused.text
