"""A portfolio that follows a strategy: each session is filled as in a backtest, once, and beside it."""

from collections.abc import AsyncIterator
from datetime import date
from pathlib import Path
from typing import Any

import httpx2
import polars as pl
import pytest

from kaboom.bars.open import build_action_store, build_bar_store
from kaboom.errors import KaboomError
from kaboom.market.calendar import last_sessions
from kaboom.paper.model import PaperBook, PaperSession
from kaboom.paper.store import MemoryPaperStore
from tests.backtest.test_runs import WEIGHTS, run_job
from tests.fixtures.backtest.stored import LAST, SERIES, daily_bars
from tests.fixtures.bars.noted_actions import dividend_note, note
from tests.fixtures.jobs.apps import client_of, memory_settings, running
from tests.fixtures.portfolio.client import Account

pytestmark = pytest.mark.anyio
PAPER = "/api/v1/backtest/paper"
DAYS = last_sessions(60, LAST)
CROSS: dict[str, Any] = {
    "strategy": "sma_cross", "parameters": {"fast": 3, "slow": 8}, "symbols": ["7203", "6758"], "warm_up": 100,
}  # fmt: skip
CALLED = """
class Strategy:
    def prepare(self, panel):
        pass

    def on_bar(self, context):
        for symbol in context.symbols:
            rows = context.history(symbol, "close", 6)
            if context.orders:
                continue
            held = context.position(symbol)
            if not held and rows[-1] < rows[0]:
                context.buy(symbol, 200, limit=rows[-1] - 5, stop_loss=0.02, take_profit=0.03)
            elif held and rows[-1] > rows[0]:
                context.sell(symbol, held)
"""


@pytest.fixture
async def http(tmp_path: Path, anyio_backend: str) -> AsyncIterator[httpx2.AsyncClient]:
    """A client of an API over daily bars of three symbols, with two strategies of its own."""
    settings = memory_settings(tmp_path, bar_store="pages", strategies_dir=tmp_path / "strategies")
    (tmp_path / "strategies").mkdir()
    (tmp_path / "strategies" / "weights.py").write_text(WEIGHTS)
    (tmp_path / "strategies" / "called.py").write_text(CALLED)
    store = build_bar_store(settings)
    await store.write(SERIES, daily_bars())
    async with running(settings) as app, client_of(app) as client:
        yield client
    await store.close()


async def begin(http: httpx2.AsyncClient, cash: str = "10000000") -> Account:
    account = await Account.create(http)
    await account.deposit(cash, day=DAYS[0].isoformat())
    return account


async def follow(account: Account, day: date, terms: dict[str, Any] | None = None) -> dict[str, Any]:
    body = {**(terms or CROSS), "portfolio_id": account.path.rpartition("/")[2], "session": day.isoformat()}
    return await run_job(account.http, PAPER, body)


@pytest.mark.parametrize(
    "terms",
    [
        CROSS,
        {"strategy": "momentum_rank", "symbols": ["7203", "6758", "9984"], "warm_up": 150},
        {"strategy": "called", "symbols": ["7203", "9984"], "warm_up": 20},
        {"strategy": "weights", "parameters": {"bars": 4}, "symbols": ["7203"], "warm_up": 30},
    ],
    ids=lambda terms: terms["strategy"],
)
async def test_a_portfolio_that_is_booked_each_session_is_where_the_backtest_is(
    http: httpx2.AsyncClient, terms: dict[str, Any]
) -> None:
    account = await begin(http)
    fills = 0
    for day in DAYS[20:]:
        done = await follow(account, day, terms)
        assert done["status"] == "completed", done["error"]
        result = done["result"]
        assert (result["session"], result["booked"]) == (day.isoformat(), 1)
        assert result["equity"] == pytest.approx(result["backtest_equity"], abs=0.05)
        fills += result["fills"]
    assert fills > 0
    value = await account.get("/valuation")
    assert float(value["equity"]) == pytest.approx(result["equity"], abs=0.05)
    paper = await account.get("/paper")
    assert [each["session"] for each in paper["items"]] == [day.isoformat() for day in DAYS[:19:-1]]
    assert sum(each["fills"] for each in paper["items"]) == fills
    assert paper["next_orders"] == result["next_orders"]


async def test_sessions_that_were_missed_are_booked_in_order(http: httpx2.AsyncClient) -> None:
    each, at_once = await begin(http), await Account.create(http, name="at once")
    await at_once.deposit("10000000", day=DAYS[0].isoformat())
    for day in DAYS[20:40]:
        await follow(each, day)
    await follow(at_once, DAYS[20])
    done = await follow(at_once, DAYS[39])
    assert done["result"]["booked"] == 19
    first, second = [(await one.get("/paper"))["items"] for one in (each, at_once)]
    assert [(row["session"], row["equity"], row["fills"]) for row in first] == [
        (row["session"], row["equity"], row["fills"]) for row in second
    ]


async def test_a_session_is_booked_once(http: httpx2.AsyncClient) -> None:
    account = await begin(http)
    await follow(account, DAYS[20])
    await follow(account, DAYS[40])
    before = await account.get("/trades")
    for day in (DAYS[40], DAYS[30]):
        done = await follow(account, day)
        assert done["status"] == "completed", done["error"]
        assert (done["result"]["booked"], done["result"]["session"]) == (0, DAYS[40].isoformat())
    assert await account.get("/trades") == before
    assert before["items"]


async def test_orders_are_filled_as_they_were_left_though_bars_are_corrected(
    http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    account = await begin(http)
    day = DAYS[20]
    while not (done := await follow(account, day))["result"]["next_orders"]:
        day = DAYS[DAYS.index(day) + 1]
    [order, *_] = done["result"]["next_orders"]
    store = build_bar_store(memory_settings(tmp_path, bar_store="pages"))
    rows = daily_bars().filter(pl.col("opened_at").dt.date() <= day)
    last = pl.col("close").last().over("symbol", order_by="opened_at")
    await store.write(SERIES, rows.with_columns(last.alias(name) for name in ("open", "high", "low", "close")))
    after = DAYS[DAYS.index(day) + 1]
    done = await follow(account, after)
    [trade] = [one for one in (await account.get("/trades"))["items"] if one["symbol"] == order["symbol"]]
    assert (trade["day"], trade["kind"], trade["quantity"]) == (after.isoformat(), order["side"], order["shares"])
    assert trade["note"] == "paper: order"
    assert done["result"]["drift"] != 0
    # The curve of the backtest is by the bars of now, also where they were corrected.
    assert {row["backtest_equity"] for row in (await account.get("/paper"))["items"]} == {10_000_000.0}


async def test_splits_and_dividends_reach_the_portfolio_as_in_the_backtest(
    http: httpx2.AsyncClient, tmp_path: Path
) -> None:
    account = await begin(http)
    hold = {"strategy": "buy_and_hold", "symbols": ["7203"], "warm_up": 5}
    await follow(account, DAYS[30], hold)
    await follow(account, DAYS[31], hold)
    settings = memory_settings(tmp_path, bar_store="pages")
    bars = daily_bars().filter(pl.col("opened_at").dt.date() >= DAYS[35], pl.col("symbol") == "7203")
    store, actions = build_bar_store(settings), build_action_store(settings)
    prices = ("open", "high", "low", "close")
    await store.write(SERIES, bars.with_columns((pl.col(name) / 3).round(1) for name in prices))
    await actions.save("synthetic", note("7203", DAYS[35], 1 / 3))
    await actions.save("synthetic", dividend_note("7203", DAYS[38], 7.5))
    done = await follow(account, DAYS[45], hold)
    assert done["status"] == "completed", done["error"]
    assert done["result"]["drift"] == pytest.approx(0, abs=1e-9)
    cash = (await account.get("/cash"))["items"]
    assert ("dividend", DAYS[38].isoformat()) in {(one["kind"], one["day"]) for one in cash}


@pytest.mark.parametrize(
    ("body", "pointer", "why"),
    [
        ({"symbols": None}, "/symbols", "expected one of them"),
        ({"model": {"allows_short": True}}, "/model", "a portfolio is never short"),
        ({"model": {"tax_rate": 0.2}}, "/model", "withholds no tax"),
        ({"session": "2025-11-08"}, "/session", ""),
        ({"session": "2099-11-09"}, "/session", ""),
        ({"parameters": {"fast": 0}}, "/parameters/fast", ""),
        ({"market": "INDEX", "symbols": None}, "/market", "name some"),
        ({"symbols": ["^0000"]}, "/symbols", "an index"),
    ],
)
async def test_what_cannot_be_followed_is_refused_at_its_field(
    http: httpx2.AsyncClient, body: dict[str, Any], pointer: str, why: str
) -> None:
    asked = {key: value for key, value in (CROSS | {"portfolio_id": "0" * 32} | body).items() if value is not None}
    answer = await http.post(PAPER, json=asked)
    assert answer.status_code == 422, answer.text
    [fault, *_] = answer.json()["errors"]
    assert fault["pointer"] == f"#{pointer}"
    assert why in fault["detail"]


async def test_a_portfolio_that_cannot_begin_says_why_and_follows_nothing(http: httpx2.AsyncClient) -> None:
    account = await Account.create(http)
    done = await follow(account, DAYS[20])
    assert "has no cash on" in done["error"]["message"]
    await account.deposit("10000000", day=DAYS[0].isoformat())
    await account.trade("buy", 100, "2000", day=DAYS[1].isoformat(), force=True)
    assert "holds 7203" in (await follow(account, DAYS[20]))["error"]["message"]
    other = await Account.create(http, name="other")
    await other.deposit("1000000", day=DAYS[0].isoformat())
    assert "no synthetic 1d bars of 1301" in str(
        (await follow(other, DAYS[20], CROSS | {"symbols": ["1301"]}))["error"]
    )
    assert (await http.get(f"{other.path}/paper")).status_code == 404
    assert (await follow(Account(http, f"/{'0' * 32}"), DAYS[20]))["status"] == "failed"


async def test_a_portfolio_follows_one_strategy(http: httpx2.AsyncClient) -> None:
    account = await begin(http)
    await follow(account, DAYS[20])
    done = await follow(account, DAYS[21], CROSS | {"parameters": {"fast": 4, "slow": 8}})
    assert done["status"] == "failed"
    assert f"follows sma_cross(fast=3, slow=8) on 7203, 6758 since {DAYS[20]}" in done["error"]["message"]


async def test_a_session_without_bars_is_not_booked(http: httpx2.AsyncClient) -> None:
    account = await begin(http)
    await follow(account, LAST)
    done = await follow(account, date(2025, 11, 6))
    assert f"no daily bars of 2025-11-06 are held, the newest are of {LAST}" in done["error"]["message"]
    assert "kaboom ingest run-daily" in done["error"]["message"]
    assert len((await account.get("/paper"))["items"]) == 1


async def test_a_deposit_is_seen_as_drift_and_nothing_else_changes(http: httpx2.AsyncClient) -> None:
    account = await begin(http)
    await follow(account, DAYS[20])
    await account.deposit("500000", day=DAYS[25].isoformat())
    done = (await follow(account, DAYS[30]))["result"]
    assert done["equity"] - done["backtest_equity"] == pytest.approx(500_000, abs=0.05)


async def test_a_worker_that_ends_between_the_trades_and_the_session_books_no_trade_twice(
    http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm, hurt = await begin(http), await Account.create(http, name="hurt")
    await hurt.deposit("10000000", day=DAYS[0].isoformat())
    for day in DAYS[20:50]:
        await follow(calm, day)
    await follow(hurt, DAYS[20])
    save, failed = MemoryPaperStore.save, set[date]()

    async def fail_once(store: MemoryPaperStore, book: PaperBook, session: PaperSession) -> None:
        if session.session not in failed:
            failed.add(session.session)
            raise KaboomError("the worker ended")
        await save(store, book, session)

    monkeypatch.setattr(MemoryPaperStore, "save", fail_once)
    ends = [(await follow(hurt, DAYS[49]))["status"] for _ in range(30)]
    assert ends == ["failed"] * 29 + ["completed"]
    wanted, found = [(await one.get("/trades"))["items"] for one in (calm, hurt)]
    assert [(one["day"], one["symbol"], one["quantity"], one["price"]) for one in found] == [
        (one["day"], one["symbol"], one["quantity"], one["price"]) for one in wanted
    ]
    assert wanted
