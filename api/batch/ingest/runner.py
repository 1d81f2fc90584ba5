"""Running chunks: slice by slice, fetch, check, write, and say what became of every symbol."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date

import polars as pl

from batch.bars.quality import Checked, QualityContext, check_bars
from batch.bars.store import BarStore, RefusedBars
from batch.errors import StoreError
from batch.ingest.fetch import fetch_all
from batch.ingest.plan import IngestChunk, bars_per_session
from batch.ingest.report import IngestReport
from batch.kit.clock import Clock
from batch.market.bar import BarSeries, empty_bars
from batch.market.listing import Market
from batch.market.outcome import Outcome, SymbolOutcome
from batch.providers.base import BarProvider, BarRequest

#: Bars held in memory at once, about: 250,000 rows of eight columns are 16 MB.
_WINDOW_BARS = 250_000
_WRITE_ATTEMPTS = 3
#: A store that wants a longer pause than this has waited already, and is not asked again for the same slice.
_LONGEST_PAUSE_S = 5.0


@dataclass(frozen=True, slots=True)
class IngestTools:
    """What running a chunk needs; `patience_s` is how long it may wait in all for a provider that wants a pause."""

    provider: BarProvider
    store: BarStore
    market: Market
    topix500: frozenset[str]
    clock: Clock
    fetch_attempts: int = 3
    patience_s: float = 0.0


async def run_chunk(
    chunk: IngestChunk,
    tools: IngestTools,
    *,
    start: int = 0,
    on_progress: Callable[[IngestReport], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> IngestReport:
    """Run a chunk from its symbol number `start`; return the outcomes from there on.

    `on_progress` hears the report so far after each slice, when its bars are durable. Where `should_stop`
    turns true the report ends early. A symbol never fails the chunk.

    Raises:
        RateLimited: the provider wants to be left alone for `retry_after_s`, no longer than `tools.patience_s`.
            What `on_progress` has heard is settled: go on from there after that.

    """
    report = IngestReport()
    for symbols in _slices(chunk, tools, start):
        if should_stop():
            break
        report += await _run_slice(replace(chunk, symbols=symbols), tools)
        on_progress(report)
    return report


def _slices(chunk: IngestChunk, tools: IngestTools, start: int) -> list[tuple[str, ...]]:
    capabilities = tools.provider.capabilities
    is_bulk = chunk.interval in capabilities.bulk_by_session and len(chunk.sessions) == 1
    size = len(chunk.symbols) if is_bulk else capabilities.symbols_per_fetch
    return [chunk.symbols[i : i + size] for i in range(start, len(chunk.symbols), size)]


async def _run_slice(part: IngestChunk, tools: IngestTools) -> IngestReport:
    """Settle some symbols: all their sessions, in windows that fit in memory."""
    counts: Counter[str] = Counter()
    settled: dict[str, SymbolOutcome] = {}
    for sessions in _windows(part):
        window, window_counts = await _run_window(replace(part, sessions=sessions), tools)
        counts.update(window_counts)
        settled = {s: _worse(settled[s], window[s]) for s in part.symbols} if settled else window
    return IngestReport(tuple(settled[s] for s in part.symbols), dict(counts))


def _windows(part: IngestChunk) -> list[tuple[date, ...]]:
    bars = len(part.symbols) * bars_per_session(part.sessions[-1], part.interval)
    step = max(1, _WINDOW_BARS // bars)
    return [part.sessions[i : i + step] for i in range(0, len(part.sessions), step)]


async def _run_window(part: IngestChunk, tools: IngestTools) -> tuple[dict[str, SymbolOutcome], Mapping[str, int]]:
    series = BarSeries(tools.provider.name, part.interval)
    request = BarRequest(part.symbols, part.interval, part.sessions)
    raw, said = await fetch_all(tools.provider, request, attempts=tools.fetch_attempts, patience_s=tools.patience_s)
    closes = await _patiently(lambda: tools.store.last_closes(series, part.symbols, before=part.sessions[0]))
    context = QualityContext(
        market=tools.market,
        interval=part.interval,
        sessions=part.sessions,
        symbols=frozenset(part.symbols),
        now=tools.clock(),
        topix500=tools.topix500,
        previous_closes=closes,
    )
    # Beside the loop, so that heartbeats go on.
    checked = await asyncio.to_thread(check_bars, raw, context)
    writing = await _write(tools.store, series, checked)
    counts = {f"flag_{name}": n for name, n in checked.flags.items() if n}
    if checked.quarantined.height:
        counts["quarantined"] = checked.quarantined.height
    if unwritten := sum(refused.bars for refused in writing.refused.values()):
        counts["refused_by_store"] = unwritten
    return _settle(part.symbols, said, checked, writing), counts


@dataclass(frozen=True, slots=True)
class _Writing:
    """What became of a write: a failure of all of it, or the symbols of which the store refused bars."""

    failure: str = ""
    refused: Mapping[str, RefusedBars] = field(default_factory=dict)


async def _write(store: BarStore, series: BarSeries, checked: Checked) -> _Writing:
    """Write bars and refused rows."""
    refused: dict[str, RefusedBars] = {}
    try:
        if checked.bars.height:
            report = await _patiently(lambda: store.write(series, checked.bars))
            refused = {bars.symbol: bars for bars in report.refused}
        if checked.quarantined.height:
            await _patiently(lambda: store.quarantine(series, checked.quarantined))
    except StoreError as e:
        return _Writing(failure=e.message)
    return _Writing(refused=refused)


async def _patiently[T](call: Callable[[], Awaitable[T]]) -> T:
    """Call a store, again where it says that this may help."""
    for attempt in range(1, _WRITE_ATTEMPTS):
        try:
            return await call()
        except StoreError as e:
            if not e.retryable or (e.retry_after_s or 0.0) > _LONGEST_PAUSE_S:
                raise
            await asyncio.sleep(0.2 * attempt)
    return await call()


def _settle(
    symbols: Sequence[str], said: Mapping[str, SymbolOutcome], checked: Checked, writing: _Writing
) -> dict[str, SymbolOutcome]:
    written = _count(checked.bars if checked.bars.height else empty_bars())
    refused = _refusals(checked.quarantined)
    return {
        symbol: _judge(symbol, said, written.get(symbol, 0), refused.get(symbol, ""), writing) for symbol in symbols
    }


def _judge(symbol: str, said: Mapping[str, SymbolOutcome], rows: int, refusal: str, writing: _Writing) -> SymbolOutcome:
    if writing.failure and (rows or refusal):
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, message=writing.failure)
    if symbol in writing.refused:
        lost = writing.refused[symbol]
        message = f"the store refused {lost.bars} of {rows} bars: {lost.reason}"
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, rows=rows - lost.bars, message=message)
    if rows and symbol in said and not said[symbol].outcome.is_fine:
        # Some bars came and more were to come.
        return replace(said[symbol], rows=rows)
    if rows:
        return SymbolOutcome(symbol, Outcome.OK, rows=rows)
    if refusal:
        return SymbolOutcome(symbol, Outcome.INVALID, message=f"every row was refused: {refusal}")
    # A symbol whose rows were all empty traded nothing.
    return said.get(symbol, SymbolOutcome(symbol, Outcome.NO_TRADES))


def _count(bars: pl.DataFrame) -> dict[str, int]:
    # Checked bars are sorted by symbol, so that its runs are the groups, at a third of the cost of `group_by`.
    runs = bars["symbol"].rle().struct
    return dict(zip(runs.field("value").to_list(), runs.field("len").to_list(), strict=True))


def _refusals(quarantined: pl.DataFrame) -> dict[str, str]:
    if not quarantined.height:
        return {}
    reasons = quarantined.group_by("symbol").agg(pl.col("reason").unique().sort().str.join(", "))
    return dict(reasons.rows())


#: How bad an outcome is: that of a symbol over several windows is the worst one that needs another try,
#: else the best one.
_RANK = {
    Outcome.NOT_LISTED: 0,
    Outcome.NO_TRADES: 1,
    Outcome.OK: 2,
    Outcome.RATE_LIMITED: 3,
    Outcome.INVALID: 4,
    Outcome.PROVIDER_ERROR: 5,
    Outcome.WRITE_FAILED: 6,
}


def _worse(one: SymbolOutcome, other: SymbolOutcome) -> SymbolOutcome:
    worse = max(one, other, key=lambda outcome: _RANK[outcome.outcome])
    return replace(worse, rows=one.rows + other.rows)
