"""Booking over HTTP: what is taken, what is refused, keys, reversals, and pages of what was booked."""

import asyncio
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI

from kaboom.drivers.clock import utc_now
from kaboom.market.calendar import JST
from tests.fixtures.jobs.apps import OTHER_OWNER, OTHER_TOKEN, client_of, memory_settings, running
from tests.fixtures.portfolio.client import PORTFOLIOS, Account

pytestmark = pytest.mark.anyio


async def test_a_portfolio_is_created_and_listed(http: httpx2.AsyncClient, account: Account) -> None:
    shown = await account.get()
    assert (await http.get(PORTFOLIOS)).json() == {"items": [shown]}
    assert shown | {"id": "", "created_at": ""} == {
        "id": "",
        "name": "日本株",
        "provider": "synthetic",
        "is_real": False,
        "lot": 100,
        "cash": "0",
        "entries": 0,
        "created_at": "",
        "created_by": "ingest_token",
    }
    taken = await http.post(PORTFOLIOS, json={"name": "日本株"}, headers={"accept-language": "ja"})
    assert taken.status_code == 409
    assert taken.json()["detail"] == "'日本株' という名前のポートフォリオはすでにあります。別の名前にしてください"


async def test_trades_and_cash_are_exact(account: Account) -> None:
    await account.deposit("1000000")
    bought = await account.trade("buy", 200, "2841.5", fee="275", note="初回")
    await account.trade("sell", 100, "2860.3333", fee="275")
    await account.book("/cash", kind="dividend", amount="4500.5", symbol="7203", day="2025-11-05")
    assert (bought["amount"], bought["fee"], bought["note"], bought["place"]) == ("568300", "275", "初回", 2)
    cash = await account.get("/cash")
    assert cash["cash"] == cash["accounts"]["cash"] == (await account.get())["cash"] == "721683.83"
    assert sum(map(Decimal, cash["accounts"].values())) == 0
    assert cash["accounts"] == {
        "cash": "721683.83",
        "capital": "-1000000",
        "securities": "282266.67",
        "income": "-4500.5",
        "fees": "550",
        "taxes": "0",
    }
    assert [(entry["kind"], entry["quantity"]) for entry in cash["items"]] == [("dividend", None), ("deposit", None)]


async def test_entries_can_be_listed_only_of_a_symbol(account: Account) -> None:
    await account.deposit("1000000")
    await account.trade("buy", 100, "1000")
    await account.trade("buy", 100, "2000", symbol="6758")
    await account.book("/cash", kind="dividend", amount="45", symbol="7203", day="2025-11-05")
    trades, cash = await account.get("/trades", symbol="6758"), await account.get("/cash", symbol="7203")
    assert [entry["symbol"] for entry in trades["items"]] == ["6758"]
    assert [entry["kind"] for entry in cash["items"]] == ["dividend"]


async def test_positions_show_average_cost_and_lots(account: Account) -> None:
    await account.deposit("1000000")
    await account.trade("buy", 100, "1000", fee="100")
    await account.trade("buy", 100, "2000", day="2025-11-05", fee="200")
    await account.trade("sell", 100, "3000", day="2025-11-06", fee="300")
    found = await account.get("/positions")
    assert found["realised"] == "149550"
    assert found["items"] == [
        {
            "symbol": "7203",
            "quantity": 100,
            "average_cost": "1501.5",
            "cost": "150150",
            "realised": "149550",
            "realised_fifo": "199600",
            "income": "0",
            "lots": [{"bought_on": "2025-11-05", "quantity": 100, "cost": "200200"}],
        }
    ]
    await account.trade("sell", 100, "1", day="2025-11-07")
    assert (await account.get("/positions"))["items"] == []
    assert [p["quantity"] for p in (await account.get("/positions", closed=True))["items"]] == [0]


@pytest.mark.parametrize(
    ("part", "body", "status", "detail"),
    [
        ("/trades", {"side": "sell", "quantity": 100}, 409, "7203 would be short on 2025-11-04: 100 sold, 0 held"),
        (
            "/trades",
            {"price": "10.01"},
            409,
            "cash would be -1 yen on 2025-11-04, expected 0 or more: deposit cash by then",
        ),
        ("/trades", {"quantity": 150}, 422, "quantity was 150, expected a multiple of 100"),
        ("/trades", {"price": "0"}, 422, "price was 0, expected more"),
        ("/trades", {"price": "1e3"}, 422, "price was '1e3', expected yen from 0 to"),
        ("/trades", {"price": "NaN"}, 422, "price was 'NaN', expected yen from 0 to"),
        ("/trades", {"price": 10}, 422, "#/price: "),
        *(("/trades", {"symbol": s}, 422, f"symbol was '{s}', expected a TSE local code") for s in ("SPY", "TOYOTA")),
        ("/trades", {"symbol": "TSLA"}, 422, "symbol was 'TSLA', expected a TSE local code"),
        ("/trades", {"side": "short"}, 422, "#/side: "),
        ("/trades", {"day": "2999-01-01"}, 422, "day was 2999-01-01, expected 1990-01-01 to "),
        ("/trades", {"note": "\u202e"}, 422, "note had 1 characters, expected at most 200 that print"),
        ("/trades", {"colour": "red"}, 422, "#/colour: "),
        ("/cash", {"kind": "withdrawal", "amount": "1001"}, 409, "cash would be -1 yen"),
        ("/cash", {"kind": "dividend", "amount": "1"}, 422, "symbol of a dividend was '', expected a symbol"),
        ("/cash", {"kind": "reversal", "amount": "1"}, 422, "#/kind: "),
        ("/cash", {"kind": "fee", "amount": "10000000000001"}, 422, "amount was '10000000000001', expected yen"),
        ("/reversals", {"entry_id": "0" * 32}, 404, "does not exist in this portfolio"),
        ("/reversals", {"entry_id": "x"}, 422, "#/entry_id: "),
    ],
)
async def test_invalid_entries_are_rejected(
    account: Account, part: str, body: dict[str, Any], status: int, detail: str
) -> None:
    await account.deposit("1000")
    before = await account.get()
    if part == "/trades":
        body = {"side": "buy", "symbol": "7203", "quantity": 100, "price": "1", "day": "2025-11-04"} | body
    elif part == "/cash":
        body = {"day": "2025-11-04"} | body
    answer = await account.post(part, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert detail in answer.json()["detail"]
    assert await account.get() == before


async def test_a_wrong_symbol_is_told_at_its_field(account: Account) -> None:
    trade: dict[str, Any] = {"side": "buy", "symbol": "SPY", "quantity": 100, "price": "1", "day": "2025-11-04"}
    answer = await account.post("/trades", **trade)
    assert [error["pointer"] for error in answer.json()["errors"]] == ["#/symbol"]


async def test_a_trade_without_a_day_is_of_today_in_japan(account: Account) -> None:
    day = utc_now().astimezone(JST).date()
    booked = await account.book("/cash", kind="deposit", amount="1")
    assert booked["day"] in {day.isoformat(), (day + timedelta(days=1)).isoformat()}


async def test_a_key_books_once(account: Account) -> None:
    body: dict[str, Any] = {"kind": "deposit", "amount": "10", "day": "2025-11-04"}
    first, again = [await account.post("/cash", key="deposit-1", **body) for _ in range(2)]
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert ("idempotency-replayed" in first.headers, again.headers["idempotency-replayed"]) == (False, "true")
    other = await account.post("/cash", key="deposit-1", **(body | {"amount": "11"}))
    assert other.status_code == 422
    assert "came with another request" in other.json()["detail"]
    second = await Account.create(account.http, name="another")
    assert (await second.post("/cash", key="deposit-1", **body)).status_code == 422
    assert (await account.get())["cash"] == "10"


async def test_a_reversal_takes_an_entry_back_once(account: Account) -> None:
    deposit = await account.deposit("1000")
    trade = await account.trade("buy", 100, "5", fee="1")
    late = await account.post("/reversals", entry_id=deposit["id"])
    assert late.status_code == 409
    assert "cash would be -501 yen" in late.json()["detail"]
    reversal = await account.book("/reversals", entry_id=trade["id"], note="typed twice")
    assert (reversal["kind"], reversal["reverses"], reversal["day"]) == ("reversal", trade["id"], trade["day"])
    assert (await account.post("/reversals", entry_id=trade["id"])).status_code == 409
    trades = (await account.get("/trades"))["items"]
    assert [(entry["kind"], entry["reversed_by"]) for entry in trades] == [("reversal", None), ("buy", reversal["id"])]
    assert (await account.get())["cash"] == "1000"
    assert (await account.get("/positions"))["items"] == []
    await account.book("/reversals", entry_id=deposit["id"])
    assert set((await account.get("/cash"))["accounts"].values()) == {"0"}


async def test_entries_are_paged_newest_first(account: Account) -> None:
    for amount in range(1, 6):
        await account.deposit(str(amount))
        await account.trade("buy", 100, "0.01")
    pages, query = [], {"limit": 2}
    while True:
        page = await account.get("/cash", **query)
        pages.append([entry["amount"] for entry in page["items"]])
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert pages == [["5", "4"], ["3", "2"], ["1"]]


async def test_entries_are_listed_by_day(account: Account) -> None:
    for day in ("2025-11-05", "2025-11-07", "2025-11-04", "2025-11-06"):
        await account.deposit("1000", day)
    first = await account.get("/cash", limit=3)
    rest = await account.get("/cash", limit=3, cursor=first["next_cursor"])
    days = [entry["day"] for page in (first, rest) for entry in page["items"]]
    assert days == ["2025-11-07", "2025-11-06", "2025-11-05", "2025-11-04"]


async def test_trades_at_once_leave_cash_exact(account: Account) -> None:
    await account.deposit("1000")
    body: dict[str, Any] = {"side": "buy", "symbol": "7203", "quantity": 100, "price": "1.5", "day": "2025-11-04"}
    answers = await asyncio.gather(*(account.post("/trades", **body) for _ in range(20)))
    assert sorted({answer.status_code for answer in answers}) == [201, 409]
    assert sum(answer.status_code == 201 for answer in answers) == 6
    assert (await account.get())["cash"] == "100"
    assert (await account.get("/positions"))["items"][0]["quantity"] == 600


async def test_another_owner_finds_no_portfolio(tmp_path: Path) -> None:
    async with running(memory_settings(tmp_path), [OTHER_OWNER]) as app, client_of(app) as http:
        account = await Account.create(http)
        async with client_of(app, **{"x-ingest-token": OTHER_TOKEN}) as other:
            assert (await other.get(PORTFOLIOS)).json() == {"items": []}
            for part in ("", "/trades", "/cash", "/positions", "/valuation", "/equity", "/export"):
                assert (await other.get(account.path + part)).status_code == 404
            body = {"kind": "deposit", "amount": "1"}
            assert (await other.post(f"{account.path}/cash", json=body)).status_code == 404
            assert (await other.post(PORTFOLIOS, json={"name": "日本株"})).status_code == 201


async def test_bookings_are_in_the_audit_log(app: FastAPI, account: Account) -> None:
    await account.deposit("1000")
    await account.trade("buy", 100, "1")
    lines = (await account.http.get("/api/v1/audit")).json()["items"]
    portfolio_id = account.path.rpartition("/")[2]
    assert [(line["action"], line["target"], line["status"]) for line in lines] == [
        ("book_trade", portfolio_id, 201),
        ("book_cash", portfolio_id, 201),
        ("create_portfolio", portfolio_id, 201),
    ]


async def test_a_portfolio_is_renamed_and_deleted(http: httpx2.AsyncClient, account: Account) -> None:
    await account.deposit("1000")
    renamed = await http.patch(account.path, json={"name": "Core"})
    assert (renamed.status_code, renamed.json()["name"], renamed.json()["cash"]) == (200, "Core", "1000")
    await Account.create(http, name="Other")
    assert (await http.patch(account.path, json={"name": "Other"})).status_code == 409
    assert (await http.patch(account.path, json={"name": ""})).status_code == 422
    assert (await http.patch(account.path, json={"lot": 1})).status_code == 422
    gone = await http.delete(account.path)
    assert (gone.status_code, gone.content) == (204, b"")
    for answer in (await http.get(account.path), await http.delete(account.path), await account.post("/dividends")):
        assert answer.status_code == 404
    assert [each["name"] for each in (await http.get(PORTFOLIOS)).json()["items"]] == ["Other"]
    await Account.create(http, name="Core")
