"""Running indicator chunks: read a symbol, compute, write its file, return its outcome."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl

from kaboom.bars.actions.adjustment import applied_actions
from kaboom.bars.actions.store import ActionReader
from kaboom.bars.export.encode import label_rows
from kaboom.bars.store import BarReader
from kaboom.bars.windows import read_with_history
from kaboom.drivers.drafts import sweep_drafts, write_durably
from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.plan import IndicatorChunk
from kaboom.indicators.table import Indicator
from kaboom.market.adjust import adjust_bars
from kaboom.market.bar import BarSeries
from kaboom.market.calendar import JST, utc_midnight
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.market.source import provider_of


@dataclass(frozen=True, slots=True)
class IndicatorTools:
    """The tools for running a chunk; without `actions`, bars are not adjusted. The readers are as of `as_of`."""

    store: BarReader
    actions: ActionReader | None
    indicators: Sequence[Indicator]
    folder: Path
    as_of: datetime | None = None


async def run_indicator_chunk(
    chunk: IndicatorChunk,
    tools: IndicatorTools,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> OutcomeReport:
    """Run a chunk from its symbol number `start`; return the outcomes from there on.

    Each symbol has its own file, which is replaced in one step; a second run writes the same. `on_progress` gets the
    report so far after each symbol, when its file is durable. If `should_stop` turns true, the report ends early.

    Raises:
        StoreError: bars cannot be read; the reports that `on_progress` got stay valid.

    """
    report = OutcomeReport()
    await asyncio.to_thread(sweep_drafts, tools.folder)
    for symbol in chunk.symbols[start:]:
        if should_stop():
            break
        report += await _run_symbol(symbol, chunk, tools)
        on_progress(report)
    return report


async def load_indicators(
    series: BarSeries, symbol: str, tools: IndicatorTools, *, first: date, last: date
) -> pl.DataFrame:
    """Return one symbol's bars of a span of days, both included, with columns of indicators.

    Averages look back on bars before the span, so that values do not depend on its start. Bars are adjusted by all
    corporate actions up to today, including those after the span.

    Raises:
        StoreError: the store could not be read.

    """
    start, end = utc_midnight(first), utc_midnight(last + timedelta(days=1))
    rows_before = max((indicator.rows_before for indicator in tools.indicators), default=0)
    bars = await read_with_history(tools.store, series, symbol, start=start, end=end, rows_before=rows_before)
    if tools.actions is not None:
        bars = await adjust_history(bars, series, tools.actions, as_of=tools.as_of)
    # In a thread, so that heartbeats go on.
    return await asyncio.to_thread(compute_indicators, bars, tools.indicators, start=start)


async def adjust_history(
    bars: pl.DataFrame, series: BarSeries, actions: ActionReader, *, as_of: datetime | None = None
) -> pl.DataFrame:
    """Return bars adjusted by the actions in force at a moment, by default now; rolled-up bars by their provider's.

    Raises:
        StoreError: the actions could not be read.

    """
    notes = await actions.load(provider_of(series.source), bars["symbol"].unique().to_list())
    return adjust_bars(bars, applied_actions(notes, until=(as_of or datetime.now(UTC)).astimezone(JST).date()))


async def _run_symbol(symbol: str, chunk: IndicatorChunk, tools: IndicatorTools) -> OutcomeReport:
    """Return the outcome of a symbol; the count `behind` says that its newest bar is of a day before the last one."""
    found = await load_indicators(chunk.series, symbol, tools, first=chunk.first, last=chunk.last)
    path = tools.folder / f"{symbol}.parquet"
    labels = {"provider": chunk.series.source, "interval": chunk.series.interval.value}
    try:
        if found.is_empty():
            # A file of an earlier run is out of date.
            await asyncio.to_thread(path.unlink, missing_ok=True)
            none = SymbolOutcome(symbol, Outcome.NO_TRADES, message="no bars are held of these sessions")
            return OutcomeReport((none,))
        await asyncio.to_thread(_write, label_rows(found, labels), path)
    except OSError as e:
        failed = SymbolOutcome(symbol, Outcome.WRITE_FAILED, message=f"{path.name} could not be written: {e.strerror}")
        return OutcomeReport((failed,))
    is_behind = found["opened_at"][-1] < utc_midnight(chunk.last)
    return OutcomeReport((SymbolOutcome(symbol, Outcome.OK, rows=found.height),), {"behind": 1} if is_behind else {})


def _write(rows: pl.DataFrame, path: Path) -> None:
    write_durably(path, lambda whole: rows.write_parquet(whole, compression="zstd"))
