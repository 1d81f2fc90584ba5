"""Running chunks: slice by slice, fetch, check, write, and say what became of every symbol."""

from collections import Counter
from collections.abc import Callable
from contextlib import aclosing
from dataclasses import replace

from batch.ingest.ahead import Ahead
from batch.ingest.notes import log_corrections
from batch.ingest.plan import IngestChunk, bars_per_session, is_one_month, split_in_runs
from batch.ingest.window import IngestTools, settle_window
from batch.market.bar import BarSeries
from batch.market.outcome import Outcome, SymbolOutcome
from batch.market.report import OutcomeReport

#: Bars of one answer, about: 250,000 rows of eight columns are 16 MB. Two are held, this one and the next.
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

    `on_progress` hears the report so far after each slice, when its bars are durable; the next slice is asked for
    meanwhile. Where `should_stop` turns true the report ends early. A symbol never fails the chunk.

    Raises:
        RateLimited: the provider wants to be left alone for `retry_after_s`, no longer than `tools.patience_s`.
            What `on_progress` has heard is settled: go on from there after that.
        StoreError: the store cannot be read; or, with `tools.waits_for_store`, it is away or full. Go on likewise.

    """
    report = OutcomeReport()
    slices = [_windows(part, is_tse=tools.market.is_tse) for part in _slices(chunk, tools, start)]
    async with aclosing(Ahead([window for windows in slices for window in windows], tools)) as answers:
        for windows in slices:
            if should_stop():
                break
            lines = tools.correction_lines - report.counts.get("corrected", 0)
            report += await _settle_slice(len(windows), answers, tools, lines=lines)
            on_progress(report)
    return report


def _slices(chunk: IngestChunk, tools: IngestTools, start: int) -> list[IngestChunk]:
    capabilities = tools.provider.capabilities
    is_month = chunk.interval in capabilities.bulk_by_month and is_one_month(chunk.sessions)
    is_bulk = is_month or (chunk.interval in capabilities.bulk_by_session and len(chunk.sessions) == 1)
    size = len(chunk.symbols) if is_bulk else capabilities.symbols_per_fetch
    return [replace(chunk, symbols=chunk.symbols[i : i + size]) for i in range(start, len(chunk.symbols), size)]


async def _settle_slice(windows: int, answers: Ahead, tools: IngestTools, *, lines: int) -> OutcomeReport:
    """Settle some symbols: all their sessions, in windows that fit in memory; log so many corrections at most."""
    counts: Counter[str] = Counter()
    settled: dict[str, SymbolOutcome] = {}
    for _ in range(windows):
        asked = await answers.take()
        window = await settle_window(asked, tools)
        counts.update(window.counts)
        log_corrections(BarSeries(tools.provider.name, asked.part.interval), window.corrections[: max(0, lines)])
        lines -= len(window.corrections)
        found = window.outcomes
        settled = {s: _worse(settled[s], found[s]) for s in asked.part.symbols} if settled else found
    return OutcomeReport(tuple(settled[s] for s in found), dict(counts))


def _windows(part: IngestChunk, *, is_tse: bool) -> list[IngestChunk]:
    """Cut a part where too many bars would be held, and where the calendar has a session that is not asked for.

    The checks take sessions that stand side by side for successive ones.
    """
    bars = len(part.symbols) * bars_per_session(part.sessions[-1], part.interval)
    step = max(1, _WINDOW_BARS // bars)
    runs = split_in_runs(part.sessions) if is_tse else [part.sessions]
    return [replace(part, sessions=run[i : i + step]) for run in runs for i in range(0, len(run), step)]


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
