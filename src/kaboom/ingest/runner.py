"""Running chunks: fetch, check and write slice by slice, and report the outcome of every symbol."""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import aclosing
from dataclasses import replace

from kaboom.ingest.outcomes import say_stored
from kaboom.ingest.plan import IngestChunk, bars_per_session, is_one_month, split_in_runs
from kaboom.ingest.window import FetchedWindow, IngestTools, fetch_window, log_corrections, store_window
from kaboom.market.bar import BarSeries
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome

#: Approximate bars of a window: 250,000 rows of eight columns are 16 MB. Two windows are in memory.
_WINDOW_BARS = 250_000


async def run_chunk(
    chunk: IngestChunk,
    tools: IngestTools,
    *,
    start: int = 0,
    on_progress: Callable[[OutcomeReport], None] = lambda _: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> OutcomeReport:
    """Run a chunk from its symbol number `start`; return the outcomes from there on.

    `on_progress` gets the report so far after each slice, when its bars are durable; the next slice is fetched
    meanwhile. If `should_stop` turns true, the report ends early. A symbol never fails the chunk.

    Raises:
        RateLimited: the provider wants a pause of `retry_after_s`, at most `tools.patience_s`. The symbols in the last
            report are done: continue after them once the pause is over.
        StoreError: the store cannot be read; or, with `tools.waits_for_store`, it is unavailable or full. Continue
            in the same way.

    """
    report = OutcomeReport()
    slices = [_windows(part, is_tse=tools.market.is_tse) for part in _slices(chunk, tools, start)]
    async with aclosing(prefetch([window for windows in slices for window in windows], tools)) as fetched:
        for windows in slices:
            if should_stop():
                break
            lines = tools.correction_lines - report.counts.get("corrected", 0)
            report += await _run_slice(len(windows), fetched, tools, lines=lines)
            on_progress(report)
    return report


def _slices(chunk: IngestChunk, tools: IngestTools, start: int) -> list[IngestChunk]:
    """Return the chunk from symbol number `start` on, in parts that the provider answers in one fetch each."""
    capabilities = tools.provider.capabilities
    is_month = chunk.interval in capabilities.bulk_by_month and is_one_month(chunk.sessions)
    is_bulk = is_month or (chunk.interval in capabilities.bulk_by_session and len(chunk.sessions) == 1)
    size = len(chunk.symbols) if is_bulk else capabilities.symbols_per_fetch
    return [replace(chunk, symbols=chunk.symbols[i : i + size]) for i in range(start, len(chunk.symbols), size)]


async def _run_slice(
    windows: int, fetched: AsyncIterator[FetchedWindow], tools: IngestTools, *, lines: int
) -> OutcomeReport:
    """Run some symbols over all sessions, in windows that fit in memory; log at most `lines` corrections."""
    counts: Counter[str] = Counter()
    outcomes: dict[str, SymbolOutcome] = {}
    for _ in range(windows):
        taken = await anext(fetched)
        window = await store_window(taken, tools)
        counts.update(window.counts)
        log_corrections(BarSeries(tools.provider.name, taken.part.interval), window.corrections[: max(0, lines)])
        lines -= len(window.corrections)
        found = window.outcomes
        outcomes = {s: _worse(outcomes[s], found[s]) for s in taken.part.symbols} if outcomes else found
    return OutcomeReport(tuple(say_stored(outcomes[s]) for s in found), dict(counts))


def _windows(part: IngestChunk, *, is_tse: bool) -> list[IngestChunk]:
    """Split a part into windows of limited size, and at each TSE session that was not requested.

    The quality checks assume that the sessions of a window are successive.
    """
    bars = len(part.symbols) * bars_per_session(part.sessions[-1], part.interval)
    step = max(1, _WINDOW_BARS // bars)
    runs = split_in_runs(part.sessions) if is_tse else [part.sessions]
    return [replace(part, sessions=run[i : i + step]) for run in runs for i in range(0, len(run), step)]


#: The severity of outcomes. A symbol over several windows gets the most severe one.
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
    return replace(worse, rows=one.rows + other.rows, refused=one.refused + other.refused)


async def prefetch(parts: Sequence[IngestChunk], tools: IngestTools) -> AsyncGenerator[FetchedWindow]:
    """Yield the fetched windows of some parts, in order; each fetch starts when the one before has ended.

    Raises:
        RateLimited: the provider wants a pause; later parts were not fetched.

    """
    fetching: asyncio.Task[FetchedWindow] | None = None
    try:
        for part in parts:
            fetched = await fetching if fetching else None
            fetching = asyncio.create_task(fetch_window(part, tools), name="prefetch")
            if fetched:
                yield fetched
        if fetching:
            yield await fetching
    finally:
        if fetching:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
