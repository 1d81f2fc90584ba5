"""Rolling minutes up: read some symbols, make longer bars, compare days with the provider's, write."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, timedelta
from typing import Any

import polars as pl

from kaboom.bars.coverage.fetch_log import keep_fetch_log
from kaboom.bars.store import FETCH_LOG_SCHEMA, BarStore
from kaboom.drivers.stop import ShouldStop, Stopped, check_stop, never
from kaboom.errors import StoreDamaged
from kaboom.market.bar import VALUES, BarSeries, empty_bars
from kaboom.market.calendar import utc_midnight
from kaboom.market.interval import Interval
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.market.roll_up import compare_days, flag_days, roll_up_bars
from kaboom.market.source import derived_source
from kaboom.market_data.roll_up_plan import RollUpChunk

#: Symbols of a slice, which has one commit for each interval.
_SLICE = 100
#: Days read at a time: 100 symbols of a week are 160,000 minutes.
_WINDOW_DAYS = 7
#: Differing days that an outcome's message describes.
_MOST_DESCRIBED = 3
_KEY = ["symbol", "session"]


@dataclass(slots=True)
class _Slice:
    """The state of a slice: bars written and refused, damaged minutes, and days that differ."""

    rows: Counter[str] = field(default_factory=Counter)
    refused: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    differences: list[pl.DataFrame] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)


async def roll_up_chunk(
    chunk: RollUpChunk,
    store: BarStore,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: ShouldStop = never,
) -> OutcomeReport:
    """Run a chunk from its symbol number `start`; return the outcomes from there on.

    `on_progress` gets the report so far after each slice, when its bars are durable. If `should_stop` turns true, the
    report ends early, without the current slice, of which some bars may be written. A second run writes the same bars.

    Raises:
        StoreError: bars cannot be read or written; the reports that `on_progress` got stay valid.

    """
    report = OutcomeReport()
    for at in range(start, len(chunk.symbols), _SLICE):
        if should_stop():
            break
        try:
            report += await _run_slice(replace(chunk, symbols=chunk.symbols[at : at + _SLICE]), store, should_stop)
        except Stopped:
            break
        on_progress(report)
    return report


async def _run_slice(part: RollUpChunk, store: BarStore, should_stop: ShouldStop) -> OutcomeReport:
    done = _Slice()
    for first, last in _windows(part):
        series = BarSeries(part.provider, Interval.M1)
        # Read before the minutes, so that a concurrent fetch never makes the log newer than the bars.
        fetches = await store.load_fetch_log(series, first=first, last=last)
        minutes = await _read(store, series, part.symbols, (first, last), done.damaged)
        if minutes.height:
            for interval in part.spans:
                check_stop(should_stop)
                made = await _roll_up(part, store, interval, minutes=minutes, done=done)
                await _log_fetches(store, BarSeries(derived_source(part.provider), interval), made, fetches)
    return OutcomeReport(tuple(_find_outcome(symbol, done) for symbol in part.symbols), dict(done.counts))


async def _roll_up(
    part: RollUpChunk, store: BarStore, interval: Interval, *, minutes: pl.DataFrame, done: _Slice
) -> pl.DataFrame:
    day = pl.col("opened_at").dt.date()
    wanted = minutes.filter(day.is_between(*part.spans[interval]))
    if wanted.is_empty():
        return wanted
    # In a thread, so that heartbeats go on.
    longer = await asyncio.to_thread(roll_up_bars, wanted, interval)
    if interval is Interval.D1:
        longer = await _compare_with_days(part, store, longer, done)
    report = await store.write(BarSeries(derived_source(part.provider), interval), longer)
    done.refused |= {refused.symbol: refused.reason for refused in report.refused}
    done.rows.update(dict(longer.group_by("symbol").len().rows()))
    done.rows.subtract({refused.symbol: refused.bars for refused in report.refused})
    done.counts[f"bars_{interval}"] += report.written
    return longer.filter(~pl.col("symbol").is_in([refused.symbol for refused in report.refused]))


async def _compare_with_days(part: RollUpChunk, store: BarStore, days: pl.DataFrame, done: _Slice) -> pl.DataFrame:
    """Compare daily bars with the provider's own, if it has any, and flag those that differ."""
    sessions = days["opened_at"].dt.date().unique().sort().to_list()
    days_of = BarSeries(part.provider, Interval.D1)
    theirs = await _read(store, days_of, part.symbols, (sessions[0], sessions[-1]), done.damaged)
    if theirs.is_empty():
        return days
    differences = compare_days(days, theirs)
    done.counts["days_compared"] += days.join(theirs, on=["symbol", "opened_at"], how="semi").height
    if differences.is_empty():
        return days
    done.counts["days_differ"] += differences.height
    done.differences.append(differences)
    return flag_days(days, differences)


async def _read(
    store: BarStore, series: BarSeries, symbols: Sequence[str], days: tuple[date, date], damaged: dict[str, str]
) -> pl.DataFrame:
    """Return the bars of some days; a symbol whose bars cannot be read is added to `damaged`."""
    start, end = utc_midnight(days[0]), utc_midnight(days[1] + timedelta(days=1))

    async def read(symbol: str) -> pl.DataFrame:
        try:
            return await store.read(series, symbol, start=start, end=end)
        except StoreDamaged as e:
            damaged[symbol] = e.message
            return empty_bars()

    return pl.concat([empty_bars(), *await asyncio.gather(*map(read, symbols))])


def _find_outcome(symbol: str, done: _Slice) -> SymbolOutcome:
    rows = done.rows[symbol]
    if symbol in done.damaged:
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, rows=rows, message=done.damaged[symbol])
    if symbol in done.refused:
        message = f"the store refused some of the bars: {done.refused[symbol]}"
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, rows=rows, message=message)
    if not rows:
        return SymbolOutcome(symbol, Outcome.NO_TRADES, message="no 1m bars are held of these sessions")
    return SymbolOutcome(symbol, Outcome.OK, rows=rows, message=_describe_differences(symbol, done.differences))


def _windows(part: RollUpChunk) -> Iterator[tuple[date, date]]:
    """Yield spans of some days that together hold all sessions."""
    first = min(first for first, _ in part.spans.values())
    last = max(last for _, last in part.spans.values())
    while first <= last:
        until = min(last, first + timedelta(days=_WINDOW_DAYS - 1))
        yield first, until
        first = until + timedelta(days=1)


async def _log_fetches(store: BarStore, series: BarSeries, made: pl.DataFrame, fetches: pl.DataFrame) -> None:
    """Log rolled-up bars in `BAR_SCHEMA` with the fetch times of their minutes, from `FETCH_LOG_SCHEMA`.

    They are as final as their minutes. Bars whose minutes have no entry get none.
    """
    cells = made.group_by("symbol", session=pl.col("opened_at").dt.date()).len("bars")
    entries = cells.join(fetches.drop("bars"), on=_KEY).select(
        pl.col(name).cast(t) for name, t in FETCH_LOG_SCHEMA.items()
    )
    if entries.height:
        await keep_fetch_log(store, series, entries.sort(_KEY))


def _describe_differences(symbol: str, differences: Sequence[pl.DataFrame]) -> str:
    """Return a symbol's days of `DAY_DIFFERENCES` as a sentence, with values for the first three; "" if it has none."""
    found = [row for frame in differences for row in frame.filter(pl.col("symbol") == symbol).iter_rows(named=True)]
    if not found:
        return ""
    described = "; ".join(_describe_day(row) for row in found[:_MOST_DESCRIBED])
    more = f"; {len(found) - _MOST_DESCRIBED} more" if len(found) > _MOST_DESCRIBED else ""
    return f"{len(found)} days differ from the provider's own 1d: {described}{more}"


def _describe_day(row: dict[str, Any]) -> str:
    differing = [name for name in VALUES if row[name] != row[f"their_{name}"]]
    values = ", ".join(f"{name} {row[name]:.15g}, theirs {row[f'their_{name}']:.15g}" for name in differing)
    return f"{row['opened_at']:%Y-%m-%d} {values}"
