"""Every method that talks to the API: what it asks, by both clients, and what it makes of the answer."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import orjson
import polars as pl
import pytest

import kaboom
from kaboom.client.backtests import Backtest
from kaboom.client.jobs import Job
from kaboom.client.wire import Wire
from kaboom.errors import WaitTimedOut
from tests.fixtures.jobs.apps import TOKEN
from tests.fixtures.servers.example_api import ExampleApi, example_api
from tests.fixtures.servers.http_servers import Request, Response, serving

JOB, FOUND = "dc84d88371794773b929d2957f6a663b", "3f1c0f5a6b4a9d8e2f3b4c5d6e7f8090"
DAY = date(2025, 11, 4)
type Call = Callable[[kaboom.Kaboom], Any]


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ExampleApi]:
    """An API that answers with examples."""
    with example_api(tmp_path_factory.mktemp("examples")) as running:
        yield running


@pytest.fixture
def kb(api: ExampleApi) -> kaboom.Kaboom:
    """A client of it that has asked nothing."""
    found = kaboom.connect(api.url, TOKEN)
    api.asked.clear()
    return found


def as_arrow(**columns: list[Any]) -> Response:
    return Response(200, pl.DataFrame(columns).write_ipc_stream(None).getvalue())


#: What is read as a table, and its rows.
TABLES = {
    "/api/v1/bars": as_arrow(
        symbol=["7203", "6758"], opened_at=[datetime(2025, 11, 4, tzinfo=UTC)] * 2, close=[1.0, 2.0]
    ),
    "/api/v1/universe": as_arrow(symbol=["7203"]),
    "/api/v1/calendar": as_arrow(session=[DAY]),
    "/api/v1/coverage": as_arrow(symbol=["7203"], provider=["file"], interval=["1d"], bars=[1]),
}
BARS = "GET /api/v1/bars?interval=1d"
READS: dict[str, tuple[Call, str]] = {
    "bars": (
        lambda kb: kb.bars(["7203", 6758], "5m", DAY, "2025-11-05", adjusted=False, provider="file", as_of=DAY),
        ("GET /api/v1/bars?interval=5m&provider=file&start=2025-11-04&end=2025-11-05&as_of=2025-11-04"
        "&symbols=7203,6758&adjusted=false"),
    ),
    "bars by default": (lambda kb: kb.bars(), f"{BARS}&adjusted=true"),
    "bars of a market": (
        lambda kb: kb.bars(market="TSE_PRIME", total_return=True),
        f"{BARS}&market=TSE_PRIME&adjusted=true&total_return=true",
    ),
    "bars of a time": (
        lambda kb: kb.bars(7203, "1d", datetime(2025, 11, 4, 9, tzinfo=ZoneInfo("Asia/Tokyo"))),
        f"{BARS}&start=2025-11-04T09:00:00+09:00&symbols=7203&adjusted=true",
    ),
    "closes": (
        lambda kb: kb.closes("7203", "1d", DAY, "2025-11-05", adjusted=False),
        f"{BARS}&start=2025-11-04&end=2025-11-05&symbols=7203&adjusted=false",
    ),
    "universe": (
        lambda kb: kb.universe("TSE_GROWTH", DAY),
        "GET /api/v1/universe?market=TSE_GROWTH&session=2025-11-04",
    ),
    "universe by default": (lambda kb: kb.universe(), "GET /api/v1/universe?market=TSE_PRIME"),
    "calendar": (
        lambda kb: kb.calendar(DAY, date(2025, 11, 5)),
        "GET /api/v1/calendar?first=2025-11-04&last=2025-11-05",
    ),
    "calendar by default": (lambda kb: kb.calendar(DAY), "GET /api/v1/calendar?first=2025-11-04&last=2025-12-05"),
    "coverage": (
        lambda kb: kb.coverage("1m", DAY, DAY, symbols="7203", provider="file"),
        "GET /api/v1/coverage?interval=1m&provider=file&symbol=7203&limit=100000&first=2025-11-04&last=2025-11-04",
    ),
    "fundamentals": (
        lambda kb: kb.fundamentals(7203, as_of=DAY, provider="jquants"),
        "GET /api/v1/fundamentals/7203?as_of=2025-11-04&provider=jquants&limit=400",
    ),
    "fundamentals of a market": (lambda kb: kb.fundamentals(), "GET /api/v1/fundamentals"),
    "coverage of 30 days": (
        lambda kb: kb.coverage(last=DAY),
        "GET /api/v1/coverage?interval=1d&limit=100000&first=2025-10-05&last=2025-11-04",
    ),
}  # fmt: skip


@pytest.mark.parametrize("of", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize(("read", "asked"), READS.values(), ids=READS)
def test_a_read_asks_for_what_it_was_given(
    api: ExampleApi, kb: kaboom.Kaboom, read: Call, asked: str, *, of: bool
) -> None:
    api.planned[:] = [("GET", path, table) for path, table in TABLES.items()]
    found = asyncio.run(read(cast("Any", kaboom.AsyncKaboom(kb)))) if of else read(kb)
    assert found.height
    assert api.asked == [asked]


def test_statements_have_days_times_and_figures(kb: kaboom.Kaboom) -> None:
    found = kb.fundamentals("7203")
    assert found["period_end"].to_list() == [date(2025, 3, 31)]
    assert found["known_at"].to_list() == [datetime(2025, 5, 8, 6, tzinfo=UTC)]
    assert found["ordinary_profit"].to_list() == [None]
    assert found["eps"].to_list() == [359.56]


def test_bars_are_sorted_by_symbol(api: ExampleApi, kb: kaboom.Kaboom) -> None:
    api.planned[:] = [("GET", path, table) for path, table in TABLES.items()]
    assert kb.bars()["symbol"].to_list() == ["6758", "7203"]


BOOK = f"/api/v1/portfolios/{FOUND}"
WAIT = f"GET /api/v1/backtest/jobs/{JOB}"
ENDED = Response(200, b'{"job_id": "%b", "status": "completed", "result": {"analyses": []}}' % JOB.encode())
CALLS: dict[str, tuple[Call, list[str]]] = {
    "submit": (
        lambda kb: kb.submit("market_data.roll_up", intervals={"5m": 1}).path,
        ['POST /api/v1/market-data/roll-up {"intervals":{"5m":1}}'],
    ),
    "jobs": (lambda kb: len(kb.jobs()), ["GET /api/v1/jobs?limit=20"]),
    "jobs of a state": (lambda kb: len(kb.jobs(status="failed", limit=3)), ["GET /api/v1/jobs?limit=3&status=failed"]),
    "backtest": (
        lambda kb: kb.backtest("sma_cross", "7203", sessions=60, cash=5e6).summary["metrics"]["sharpe"],
        [
            'POST /api/v1/backtest/run {"strategy":"sma_cross","sessions":60,"cash":5000000.0,"symbols":["7203"]}',
            WAIT,
            f"GET /api/v1/backtest/results/{JOB}",
        ],
    ),
    "analyse": (
        lambda kb: kb.analyse(["7203", "6758"], kind="risk"),
        [
            'POST /api/v1/ai-analysis/analyse {"symbols":["7203","6758"],"kind":"risk"}',
            f"GET /api/v1/ai-analysis/jobs/{JOB}",
        ],
    ),
    "portfolios": (lambda kb: [(each.id, each.name) for each in kb.portfolios()], ["GET /api/v1/portfolios"]),
    "create_portfolio": (
        lambda kb: kb.create_portfolio("mine", lot=1).id,
        ['POST /api/v1/portfolios {"name":"mine","lot":1}'],
    ),
    "trade": (
        lambda kb: kb.portfolio("日本株").trade("sell", 7203, 100, "2841.5", fee="99", day=DAY)["id"],
        [
            "GET /api/v1/portfolios",
            (f'POST {BOOK}/trades {{"side":"sell","symbol":"7203","quantity":100,"price":"2841.5",'
            '"fee":"99","day":"2025-11-04"}'),
        ],
    ),
    "move_cash": (
        lambda kb: kb.portfolio(FOUND).move_cash("dividend", "500", symbol="7203")["id"],
        ["GET /api/v1/portfolios", f'POST {BOOK}/cash {{"kind":"dividend","amount":"500","symbol":"7203"}}'],
    ),
    "positions": (
        lambda kb: len(kb.portfolio(FOUND).positions()["items"]),
        ["GET /api/v1/portfolios", f"GET {BOOK}/positions"],
    ),
    "valuation": (
        lambda kb: kb.portfolio(FOUND).valuation()["equity"],
        ["GET /api/v1/portfolios", f"GET {BOOK}/valuation"],
    ),
    "equity": (lambda kb: kb.portfolio(FOUND).equity().height, ["GET /api/v1/portfolios", f"GET {BOOK}/equity"]),
}  # fmt: skip


@pytest.mark.parametrize(("call", "asked"), CALLS.values(), ids=CALLS)
def test_a_call_asks_the_api_once(api: ExampleApi, kb: kaboom.Kaboom, call: Call, asked: list[str]) -> None:
    api.planned[:] = [("GET", f"/api/v1/{queue}/jobs/{JOB}", ENDED) for queue in ("backtest", "ai-analysis")]
    assert call(kb)
    assert api.asked == asked


def test_both_clients_submit_and_wait_alike(api: ExampleApi, kb: kaboom.Kaboom) -> None:
    api.planned[:] = [("GET", f"/api/v1/{queue}/jobs/{JOB}", ENDED) for queue in ("backtest", "ai-analysis")]

    async def run() -> Any:
        other = kaboom.AsyncKaboom(kb)
        job = await (await other.submit("backtest.run", strategy="buy_and_hold")).wait(timeout_s=5)
        found = await other.backtest("buy_and_hold", ["7203"], timeout_s=5, sessions=60)
        analysed = await other.analyse("7203", timeout_s=5, kind="risk")
        return (await job.refresh()).job.status, found.metrics["sharpe"], analysed

    assert asyncio.run(run()) == ("completed", 0.124, {"analyses": []})
    assert api.asked == [
        'POST /api/v1/backtest/run {"strategy":"buy_and_hold"}',
        WAIT,
        'POST /api/v1/backtest/run {"strategy":"buy_and_hold","sessions":60,"symbols":["7203"]}',
        WAIT,
        f"GET /api/v1/backtest/results/{JOB}",
        'POST /api/v1/ai-analysis/analyse {"symbols":["7203"],"kind":"risk"}',
        f"GET /api/v1/ai-analysis/jobs/{JOB}",
        WAIT,
    ]


def test_failures_of_all_pages_are_one_table(api: ExampleApi, kb: kaboom.Kaboom) -> None:
    path = f"/api/v1/ingest/jobs/{JOB}/failures"
    row = {"item": "7203", "interval": "1m", "outcome": "provider_error", "message": "why", "attempts": 3}
    pages = [{"items": [row], "next_cursor": "x"}, {"items": [row | {"item": "6758"}], "next_cursor": None}]
    api.planned[:] = [("GET", path, Response(200, orjson.dumps(page))) for page in pages]
    found = Job(kb.wire, path.removesuffix("/failures"), {}).failures()  # type: ignore[arg-type]
    assert found.rows() == [("7203", "1m", "provider_error", "why", 3), ("6758", "1m", "provider_error", "why", 3)]
    assert found.columns == ["item", "interval", "outcome", "message", "attempts"]
    assert api.asked == [f"GET {path}?limit=1000", f"GET {path}?limit=1000&cursor=x"]


def test_the_files_of_a_backtest_are_read(api: ExampleApi, kb: kaboom.Kaboom, tmp_path: Path) -> None:
    found = Backtest(kb.wire, Job(kb.wire, "", {"job_id": JOB}), {})  # type: ignore[arg-type]
    results = f"/api/v1/backtest/results/{JOB}"
    table = Response(200, b"session,symbol\n2025-11-04,0123\n")
    api.planned[:] = [("GET", f"{results}/{name}.csv", table) for name in ("equity", "trades")]
    api.planned += [("GET", f"{results}/report.html", Response(200, b"<html>"))]
    assert found.equity().rows() == found.trades().rows() == [(DAY, "0123")]
    assert found.save_report(tmp_path / "report.html").read_text() == "<html>"
    assert api.asked == [f"GET {results}/{name}" for name in ("equity.csv", "trades.csv", "report.html")]


def job_of(status: str) -> Response:
    return Response(200, b'{"job_id": "a", "status": "%b", "result": {}}' % status.encode())


@pytest.mark.parametrize(("timeout_s", "prefer"), [(None, "wait=5"), (60, "wait=5"), (3, "wait=3"), (0.2, None)])
def test_a_wait_lets_the_server_wait_for_no_longer_than_asked(timeout_s: float | None, prefer: str | None) -> None:
    asked: list[str | None] = []

    def answer(request: Request) -> Response:
        asked.append(request.headers.get("prefer"))
        return job_of("completed")

    with serving(answer) as url:
        assert Job(Wire(url, TOKEN), "/jobs/a", {"job_id": "a"}).wait(timeout_s=timeout_s).status == "completed"
    assert asked == [prefer]


@pytest.mark.parametrize("call", ["wait", "backtest", "analyse", "wait with a bar"])
def test_a_wait_ends_in_time(api: ExampleApi, kb: kaboom.Kaboom, call: str) -> None:
    api.planned[:] = []
    calls: dict[str, Call] = {
        "wait": lambda kb: kb.submit("ingest.run_daily").wait(timeout_s=0),
        "wait with a bar": lambda kb: kb.submit("ingest.run_daily").wait(timeout_s=0, progress=True),
        "backtest": lambda kb: kb.backtest("buy_and_hold", timeout_s=0),
        "analyse": lambda kb: kb.analyse("7203", timeout_s=0),
    }
    with pytest.raises(WaitTimedOut, match=f"^job {JOB} was running after 0 s; it goes on$"):
        calls[call](kb)
