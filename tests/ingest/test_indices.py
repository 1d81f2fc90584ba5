"""An ingest of indices: apart from issues, from its universe to its coverage, and without the rules of issues."""

import asyncio
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from kaboom.bars.coverage.judge import CoverSpan, judge
from kaboom.bars.pages.store import PageBarStore
from kaboom.bars.quality.checks import QualityContext, check_bars
from kaboom.domain_settings import BatchSettings
from kaboom.errors import InvalidRequest
from kaboom.ingest.checks import check_capabilities
from kaboom.ingest.request import IngestRequest
from kaboom.ingest.run_daily import run_daily_ingest
from kaboom.market.bar import BarSeries
from kaboom.market.interval import Interval
from kaboom.market.listing import Market
from kaboom.market.lists.own_names import load_own
from kaboom.market.outcome import Outcome, OutcomeReport
from kaboom.providers.registry import get_provider_spec
from tests.fixtures.bars.raw_bars import raw_bar, raw_frame

SESSION = date(2025, 11, 4)
DAYS = (date(2025, 10, 31), SESSION)
SERIES = BarSeries("synthetic", Interval.D1)


def ingest(folder: Path, values: Mapping[str, Any]) -> OutcomeReport:
    request = IngestRequest.parse({"intervals": {"1d": 2}, "session": str(SESSION), **values})
    return asyncio.run(run_daily_ingest(request, settings=BatchSettings(data_dir=folder, **_files(folder))))


def _files(folder: Path) -> dict[str, Any]:
    return {"file_dir": folder / "own"} if (folder / "own").exists() else {}


def judged(folder: Path, *symbols: str, of_indices: bool = False) -> list[tuple[str, date]]:
    async def look() -> list[tuple[str, date]]:
        store = PageBarStore(BatchSettings(data_dir=folder).bars_dir)
        now = datetime(2025, 11, 5, tzinfo=UTC)
        span = CoverSpan(date(2025, 10, 1), SESSION, timedelta(), now, symbols, of_indices=of_indices)
        try:
            return (await judge(store, SERIES, span)).cells.select("symbol", "session").rows()
        finally:
            await store.close()

    return asyncio.run(look())


def test_a_market_and_indices_are_ingested_and_judged_apart(tmp_path: Path) -> None:
    ingest(tmp_path, {"intervals": {"1d": 5}, "market": "INDEX", "symbols": ["topix"]})
    report = ingest(tmp_path, {"symbols": ["7203", "6758"]})
    assert (report.by_outcome()[Outcome.OK], report.rows) == (2, 4)
    # The index has older bars, which say nothing about issues.
    assert judged(tmp_path) == [(symbol, day) for symbol in ("6758", "7203") for day in DAYS]
    assert [symbol for symbol, _ in judged(tmp_path, "^0000")] == ["^0000"] * 5
    assert judged(tmp_path, of_indices=True) == judged(tmp_path, "^0000")


def test_the_whole_market_of_indices_is_theirs_alone(tmp_path: Path) -> None:
    report = ingest(tmp_path, {"market": "INDEX"})
    assert {outcome.symbol for outcome in report.outcomes} == {"^0000", "^0028", "^0070", "^N225"}
    assert (report.by_outcome()[Outcome.OK], report.rows) == (4, 8)
    assert not [name for name in report.counts if name.startswith("flag_")]


def test_indices_come_from_files_too(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    rows = ("2025-10-31,51000.5,52000,50900,51900,0", "2025-11-04,52000,52100,51000,51500,0")
    text = "\n".join(["Date,Open,High,Low,Close,Volume", *rows])
    for name in ("^N225.csv", "^GSPC.csv", "7203.csv"):
        (tmp_path / "own" / name).write_text(text, encoding="utf-8")
    report = ingest(tmp_path, {"market": "INDEX", "provider": "file"})
    assert [(each.symbol, each.outcome, each.rows) for each in report.outcomes] == [("^N225", Outcome.OK, 2)]


def test_an_ingest_keeps_the_names_that_files_have(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    text = "Date,銘柄名,Open,High,Low,Close,Volume\n2025-11-04,架空商事,52000,52100,51000,51500,0\n"
    (tmp_path / "own/9999.csv").write_text(text, encoding="utf-8")
    ingest(tmp_path, {"market": "FILE", "provider": "file"})
    own = load_own(BatchSettings(data_dir=tmp_path).symbols_dir, SESSION, [])
    assert [(each.symbol, each.name) for each in own.listings] == [("9999", "架空商事")]


def test_rules_of_issues_do_not_flag_an_index() -> None:
    opened = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in DAYS]
    prices = ((38_000.13, 38_100.07, 37_900.01, 38_000.13), (19_000.11, 19_100.55, 18_900.33, 19_000.77))
    rows = [
        raw_bar("^N225", at, **dict(zip(("open", "high", "low", "close"), four, strict=True)), volume=0.0)
        for at, four in zip(opened, prices, strict=True)
    ]
    now = datetime(2025, 11, 5, tzinfo=UTC)
    context = QualityContext(Market.INDEX, Interval.D1, DAYS, frozenset({"^N225"}), now)
    checked = check_bars(raw_frame(rows), context)
    assert (checked.bars.height, dict(checked.flags), checked.quarantined.height) == (2, {}, 0)


@pytest.mark.parametrize("market", ["INDEX", "TSE_PRIME"])
def test_symbols_of_the_other_kind_are_refused(market: str) -> None:
    symbol = {"INDEX": "7203T", "TSE_PRIME": "^0000"}[market]
    with pytest.raises(InvalidRequest, match="index") as caught:
        IngestRequest.parse({"intervals": {"1d": 1}, "market": market, "symbols": [symbol]})
    assert caught.value.pointer == "/symbols"


def test_minutes_of_an_index_are_refused() -> None:
    request = IngestRequest.parse({"intervals": {"1m": 1, "1d": 1}, "market": "INDEX"})
    with pytest.raises(InvalidRequest, match="intervals had 1m, market INDEX has only daily bars: 1d"):
        check_capabilities(request, "synthetic", get_provider_spec("synthetic").capabilities)
    with pytest.raises(InvalidRequest, match="market was INDEX, provider yahoo serves"):
        check_capabilities(request, "yahoo", get_provider_spec("yahoo").capabilities)
