"""Studies: the report is one small file without a network, and numba changes no byte."""

import asyncio
import re
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.backtest import engines
from kaboom.backtest.request import BacktestRequest, BarsAsked, SweepRequest
from kaboom.backtest.run import run_weights
from kaboom.backtest.strategies.files import find_strategy, load_strategy_file
from kaboom.backtest.study import windows
from kaboom.backtest.study.bars import BarTools, StudyBars, load_bars
from kaboom.backtest.study.made_up import make_panel
from kaboom.backtest.study.single import Study, run_backtest
from kaboom.backtest.study.trials import combination, find_trials
from kaboom.backtest.study.windows import find_windows, run_test
from kaboom.backtest.summary import RunSummary
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.drivers.stop import Stopped
from kaboom.errors import InvalidRequest
from tests.fixtures.backtest.stored import SERIES, daily_bars
from tests.fixtures.bars.noted_actions import dividend_note

ASKED: dict[str, Any] = {
    "strategy": "sma_cross",
    "symbols": ["7203", "6758", "9984"],
    "provider": "synthetic",
    "first": "2023-11-06",
    "last": "2025-11-05",
    "model": {"fees": {"rate": 0.001}, "slippage": {"ticks": 1}, "allows_short": True},
    "parameters": {"side": "both"},
}


def load(request: BarsAsked, bars: pl.DataFrame | None = None, notes: pl.DataFrame | None = None) -> StudyBars:
    async def write_and_read() -> StudyBars:
        store, actions = MemoryBarStore(), MemoryActionStore()
        if notes is not None:
            await actions.save("synthetic", notes)
        await store.write(SERIES, daily_bars(480) if bars is None else bars)
        return await load_bars(request, BarTools(store, actions, Path("nowhere")))

    return asyncio.run(write_and_read())


@pytest.fixture(scope="module")
def study() -> Study[RunSummary]:
    request = BacktestRequest.parse(ASKED)
    return run_backtest(load(request), find_strategy("sma_cross", None), request)


def test_a_report_asks_no_server_for_anything(study: Study[RunSummary]) -> None:
    page = study.files["report.html"].decode()
    assert len(page.encode()) <= 300_000
    assert re.findall(r"https?:|//[a-z]|<script|<link|<img|url\(|@import", page) == []
    for words in ("将来の成果を保証しません", "guarantees no future result", "generated bars", "売買単位は100株"):
        assert words in page
    # Every text is there in both languages.
    assert page.count('class="en"') == page.count('class="ja"') > 60


def test_a_report_shows_no_markup_of_others(study: Study[RunSummary]) -> None:
    request = BacktestRequest.parse(ASKED | {"symbols": ["7203"]})
    bars = load(request)
    kind = find_strategy("sma_cross", None)
    named = run_backtest(bars, type(kind)("<b>x</b>", kind.parse), request)
    assert b"<b>x" not in named.files["report.html"]


def test_python_gives_the_bytes_of_numba(study: Study[RunSummary], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "PYTHON_S", 0.0)
    request = BacktestRequest.parse(ASKED)
    compiled = run_backtest(load(request), find_strategy("sma_cross", None), request)
    assert (study.summary.engine, compiled.summary.engine) == ("python", "numba")
    assert compiled.summary.digest == study.summary.digest
    # The summaries name the engine.
    named = (b'"engine":"numba"', b'"engine":"python"')
    for name in study.files.keys() - {"summary.json"}:
        assert compiled.files[name].replace(*named) == study.files[name]


def test_a_run_stops_in_the_middle() -> None:
    request, asked = BacktestRequest.parse(ASKED), iter(range(10**9))
    bars = load(request)
    with pytest.raises(Stopped):
        run_backtest(bars, find_strategy("sma_cross", None), request, should_stop=lambda: next(asked) > 100)
    # One question a bar: it did not go on to the end.
    assert next(asked) < 110


def test_equal_weights_of_one_symbol_are_its_price() -> None:
    request = BacktestRequest.parse(ASKED | {"symbols": ["7203"]})
    bars = load(request)
    summary = run_backtest(bars, find_strategy("sma_cross", None), request).summary
    close = daily_bars(480).filter(pl.col("symbol") == "7203")["close"]
    assert summary.benchmark.total_return == pytest.approx(close[-1] / close[0] - 1)


def test_dividends_are_paid_into_cash_and_reinvested_in_the_benchmark() -> None:
    request = BacktestRequest.parse(ASKED | {"strategy": "buy_and_hold", "parameters": {}, "symbols": ["7203"]})
    kind, bars = find_strategy("buy_and_hold", None), daily_bars(480)
    day = bars.filter(pl.col("symbol") == "7203")["opened_at"][200].date()
    plain = run_backtest(load(request, bars), kind, request).summary
    paid = run_backtest(load(request, bars, dividend_note("7203", day, 50.0)), kind, request).summary
    assert paid.fingerprint != plain.fingerprint
    shares = (paid.metrics["flows"] or 0) / 50
    assert shares > 0
    assert shares % 100 == 0
    assert paid.metrics["final_equity"] == pytest.approx((plain.metrics["final_equity"] or 0) + 50 * shares)
    close = bars.filter((pl.col("symbol") == "7203") & (pl.col("opened_at").dt.date() == day))["close"][0]
    without, added = plain.benchmark.total_return, paid.benchmark.total_return
    assert 1 + (added or 0) == pytest.approx((1 + (without or 0)) * (1 + 50 / close))


def test_holding_is_compared_with_a_topix_fund_if_one_is_held() -> None:
    values = ASKED | {"strategy": "buy_and_hold", "parameters": {}}
    request, kind = BacktestRequest.parse(values), find_strategy("buy_and_hold", None)
    missing = run_backtest(load(request), kind, request)
    assert missing.summary.benchmark.name == "equal weights of 3"
    assert "no bars of TOPIX (^0000, 1306, 1305, 1475, 1348) are held" in missing.files["report.html"].decode()
    bars = daily_bars(480, symbols=("6758", "7203", "9984", "1475", "1305"))
    held = run_backtest(load(request, bars), kind, request).summary.benchmark
    assert (held.name, held.note) == ("1305", None)
    index = daily_bars(480, symbols=("6758", "7203", "9984", "1475", "^0000"))
    assert run_backtest(load(request, index), kind, request).summary.benchmark.name == "^0000"
    crossed = BacktestRequest.parse(ASKED)
    assert run_backtest(load(crossed, bars), find_strategy("sma_cross", None), crossed).summary.benchmark.note is None
    with pytest.raises(
        InvalidRequest, match=r"benchmark was topix, and no 1d bars of it or of a fund of it are held.*--symbol 0000"
    ):
        load(BacktestRequest.parse(ASKED | {"benchmark": "TOPIX"}))


def test_faults_of_the_benchmark_are_reported() -> None:
    with pytest.raises(InvalidRequest, match="expected a TSE local code") as caught:
        BacktestRequest.parse(ASKED | {"benchmark": "../etc"})
    assert caught.value.pointer == "/benchmark"


def test_a_report_says_whether_short_positions_are_allowed(study: Study[RunSummary]) -> None:
    request = BacktestRequest.parse(ASKED | {"model": {}})
    without = run_backtest(load(request), find_strategy("sma_cross", None), request)
    said = b"Short positions are not allowed"
    assert (said in without.files["report.html"], said in study.files["report.html"]) == (True, False)


def test_an_index_cannot_be_bought() -> None:
    with pytest.raises(InvalidRequest, match=r"symbols had \^0000, an index, which cannot be bought") as caught:
        BacktestRequest.parse(ASKED | {"symbols": ["7203", "topix"]})
    assert caught.value.pointer == "/symbols"


def sweep(**values: Any) -> SweepRequest:
    return SweepRequest.parse(ASKED | {"parameters": {"fast": [5, 10], "slow": [10, 20, 30]}} | values)


def test_combinations_have_numbers() -> None:
    request = sweep()
    kind = find_strategy("sma_cross", None)
    assert find_trials(request, kind.parse) == (0, 1, 2, 4, 5)
    assert combination(request.parameters, 4) == {"fast": 10, "slow": 20}
    with pytest.raises(InvalidRequest, match="fast was 10"):
        find_trials(sweep(parameters={"fast": 10, "slow": 10}), kind.parse)


def test_windows_hold_every_session_once() -> None:
    panel = make_panel(bars=100)
    assert [(w.train_end, w.test_end) for w in find_windows(sweep(folds=3), panel)] == [
        (24, 49), (49, 74), (74, 99), (99, None),
    ]  # fmt: skip
    assert [(w.train_end, w.test_end) for w in find_windows(sweep(out_of_sample=0.25), panel)] == [(74, 99)]
    with pytest.raises(InvalidRequest, match="a train or test period had fewer than"):
        find_windows(sweep(folds=20), make_panel(bars=30))


def test_a_test_begins_with_what_the_strategy_holds() -> None:
    """Bought and held from the first bar: the test buys at its first open, and earns what follows."""
    panel = make_panel(symbols=1, bars=60)
    request = sweep(strategy="buy_and_hold", parameters={"weight": 1}, model={}, cash=1e9)
    strategy = find_strategy("buy_and_hold", None).parse({})
    returns = run_test(panel, windows.Window(29, 59), strategy, request)  # type: ignore[arg-type]
    assert returns.size == 30
    assert returns[0] != 0
    assert all(returns[1:] != 0)


def test_a_test_does_not_begin_with_what_a_stop_has_closed() -> None:
    panel = make_panel(symbols=1, bars=300)
    request = sweep(strategy="buy_and_hold", parameters={"stop_loss": 0.02}, model={})
    kind, window = find_strategy("buy_and_hold", None), windows.Window(209, 299)
    stopped: Any = kind.parse({"stop_loss": 0.02})
    whole = run_weights(panel, stopped, request.model, cash=request.cash)
    assert whole.trades["exit_bar"].to_list() == [6]
    assert run_test(panel, window, stopped, request).tolist() == [0.0] * 90
    # One that was not reached is still held.
    far: Any = kind.parse({"stop_loss": 0.9})
    assert run_test(panel, window, far, request).any()


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ("1 / 0", "could not be loaded: ZeroDivisionError"),
        ("x = 1", "has no class Strategy"),
        ("class Strategy: pass", "neither targets nor on_bar"),
        ("class Strategy:\n    def on_bar(self, context): pass", "has on_bar without prepare, expected both"),
        ("class Strategy:\n    def __init__(self, a): pass\n    def targets(self, panel): pass", "missing 1 required"),
    ],
)
def test_a_file_that_is_no_strategy_says_why(tmp_path: Path, source: str, says: str) -> None:
    path = tmp_path / "mine.py"
    path.write_text(source)
    with pytest.raises(InvalidRequest, match=says):
        load_strategy_file(path).parse({})


def test_a_named_benchmark_starts_with_the_cash_and_follows_its_price() -> None:
    request = BacktestRequest.parse(ASKED | {"symbols": ["7203"], "benchmark": "6758"})
    study = run_backtest(load(request), find_strategy("sma_cross", None), request)
    close = daily_bars(480).filter(pl.col("symbol") == "6758")["close"]
    assert study.summary.benchmark.total_return == pytest.approx(close[-1] / close[0] - 1)
    curve = pl.read_csv(study.files["equity.csv"])["benchmark"]
    assert curve[0] == request.cash
    assert curve[100] == pytest.approx(request.cash * close[100] / close[0])


@pytest.mark.parametrize(("first", "count"), [(0, 470), (10, 470)])
def test_a_benchmark_that_lacks_days_at_either_end_is_noted(first: int, count: int) -> None:
    request = BacktestRequest.parse(ASKED | {"symbols": ["7203"], "benchmark": "6758"})
    bars = daily_bars(480)
    short = bars.filter(pl.col("symbol") == "6758")[first : first + count]
    loaded = load(request, pl.concat([bars.filter(pl.col("symbol") == "7203"), short]))
    note = run_backtest(loaded, find_strategy("sma_cross", None), request).summary.benchmark.note
    begin, end = (short["opened_at"][place].date() for place in (0, -1))
    assert note == f"its bars are of {begin} to {end}, and it is flat before and after"
