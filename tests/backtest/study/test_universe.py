"""Which symbols a run has, and what it is compared with: who left, who has no bars, and what is said of both."""

import asyncio
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from kaboom.backtest.engine.arrays import MID400, OTHER, TOPIX100
from kaboom.backtest.request import BacktestRequest
from kaboom.backtest.strategies.files import find_strategy
from kaboom.backtest.study.bars import BarTools, StudyBars, load_bars
from kaboom.backtest.study.single import Study, run_backtest
from kaboom.backtest.summary import RunSummary
from kaboom.bars.memory import MemoryActionStore, MemoryBarStore
from kaboom.errors import InvalidRequest
from kaboom.market.listing import Listing, Market
from kaboom.market.lists.snapshot import Snapshot, save_snapshot
from tests.fixtures.backtest.stored import SERIES, daily_bars

FIRST, GONE, LAST = date(2024, 11, 5), date(2025, 5, 1), date(2025, 11, 5)
ASKED: dict[str, Any] = {
    "strategy": "buy_and_hold",
    "provider": "synthetic",
    "first": FIRST.isoformat(),
    "last": LAST.isoformat(),
}


def save_list(into: Path, day: date, *symbols: str, scales: Mapping[str, str] | None = None) -> None:
    sizes = scales or {}
    listings = tuple(Listing(symbol, symbol, Market.TSE_PRIME, "", sizes.get(symbol, "")) for symbol in symbols)
    save_snapshot(Snapshot(day, "a test", listings), into)


def bars_until_gone(symbol: str) -> pl.DataFrame:
    """Return bars of 6758, 7203 and 9984, of which one symbol ends on a day."""
    return daily_bars(480).filter((pl.col("symbol") != symbol) | (pl.col("opened_at").dt.date() <= GONE))


def run(into: Path, bars: pl.DataFrame, **values: Any) -> tuple[StudyBars, Study[RunSummary]]:
    request = BacktestRequest.parse(ASKED | values)

    async def load() -> StudyBars:
        store = MemoryBarStore()
        await store.write(SERIES, bars)
        return await load_bars(request, BarTools(store, MemoryActionStore(), into))

    loaded = asyncio.run(load())
    return loaded, run_backtest(loaded, find_strategy("buy_and_hold", None), request)


def text_of(study: Study[RunSummary]) -> str:
    return study.files["report.html"].decode()


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    save_list(tmp_path, FIRST, "7203", "6758")
    save_list(tmp_path, LAST, "7203")
    return tmp_path


@pytest.mark.parametrize("scope", [{"market": "TSE_PRIME"}, {"symbols": ["7203", "6758"]}])
def test_a_delisted_symbol_is_paid_out_however_it_was_asked_for(lists: Path, scope: dict[str, Any]) -> None:
    bars, study = run(lists, bars_until_gone("6758"), **scope)
    assert (bars.delisted, study.summary.delisted) == (("6758",), 1)
    assert study.summary.metrics["trades"] == 1
    assert b",delisted," in study.files["trades.csv"]


def test_a_fund_that_no_list_has_is_not_delisted(lists: Path) -> None:
    bars, _ = run(lists, daily_bars(480), symbols=["7203", "9984"])
    assert bars.delisted == ()


def test_equal_weights_leave_out_what_is_delisted(lists: Path) -> None:
    bars = bars_until_gone("6758")
    _, study = run(lists, bars, market="TSE_PRIME")
    days = pl.col("opened_at").dt.date()
    close = {
        symbol: bars.filter((pl.col("symbol") == symbol) & (days >= FIRST))["close"].to_numpy()
        for symbol in ("7203", "6758")
    }
    both = close["6758"].size
    gains = (close["7203"][1:both] / close["7203"][: both - 1] + close["6758"][1:] / close["6758"][:-1]) / 2
    # From then on all of it is 7203.
    expected = float(gains.prod()) * close["7203"][-1] / close["7203"][both - 1] - 1
    assert study.summary.benchmark.total_return == pytest.approx(expected)


def test_symbols_without_bars_are_counted_in_the_report(lists: Path) -> None:
    _, study = run(lists, daily_bars(480), symbols=["7203", "1301"])
    assert study.summary.missing == 1
    assert "delisted since: 0, without bars: 1" in text_of(study)


def test_a_later_list_is_reported_as_survivors_only(tmp_path: Path, lists: Path) -> None:
    said = "symbols that left before 2024-03-29 are missing, which is survivorship bias"
    _, late = run(tmp_path / "none", daily_bars(480), market="TSE_PRIME", first="2023-12-01")
    assert said in text_of(late)
    _, known = run(lists, daily_bars(480), market="TSE_PRIME")
    assert "survivorship" not in text_of(known)


def test_a_benchmark_of_fewer_days_says_so(lists: Path) -> None:
    _, whole = run(lists, daily_bars(480), symbols=["7203"], benchmark="6758")
    assert whole.summary.benchmark.note is None
    _, ended = run(lists, bars_until_gone("6758"), symbols=["7203"], benchmark="6758")
    assert ended.summary.benchmark.note == ("its bars are of 2024-11-05 to 2025-05-01, and it is flat before and after")


def test_bars_that_memory_does_not_hold_are_refused_while_they_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_list(tmp_path, FIRST, "7203", "6758", "9984")
    monkeypatch.setattr("kaboom.backtest.memory_check._SMALL", 100)
    monkeypatch.setattr("kaboom.backtest.memory_check.measure_free_memory", lambda: 70_000)
    with pytest.raises(InvalidRequest, match=r"a test on \d+ bars takes about 0\.0 GB of memory, and 0\.0 GB are free"):
        run(tmp_path, daily_bars(480), market="TSE_PRIME")
    monkeypatch.setattr("kaboom.backtest.memory_check.measure_free_memory", lambda: 70_000_000)
    run(tmp_path, daily_bars(480), market="TSE_PRIME")


@pytest.mark.parametrize("scope", [{"market": "TSE_PRIME"}, {"symbols": ["7203", "6758"]}])
def test_the_ticks_of_an_issue_are_by_its_size_class(tmp_path: Path, scope: dict[str, Any]) -> None:
    for first, second, expected in (
        ("TOPIX Core30", "TOPIX Large70", [TOPIX100, TOPIX100]),
        ("TOPIX Mid400", "TOPIX Small 1", [MID400, OTHER]),
    ):
        save_list(tmp_path, FIRST, "7203", "6758", scales={"7203": first, "6758": second})
        panel = run(tmp_path, daily_bars(480), **scope)[0].panel
        classes = [panel.issues.tick_class[panel.column_of(symbol)] for symbol in ("7203", "6758")]
        assert classes == expected
