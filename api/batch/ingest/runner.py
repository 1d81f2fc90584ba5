"""Running chunks: slice by slice, fetch, check, write, and say what became of every symbol."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import date

from batch.ingest.notes import log_corrections
from batch.ingest.plan import IngestChunk, bars_per_session, is_one_month, split_in_runs
from batch.ingest.window import IngestTools, run_window
from batch.market.bar import BarSeries
from batch.market.outcome import Outcome, SymbolOutcome
from batch.market.report import OutcomeReport

#: Bars held in memory at once, about: 250,000 rows of eight columns are 16 MB.
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

    `on_progress` hears the report so far after each slice, when its bars are durable. Where `should_stop`
    turns true the report ends early. A symbol never fails the chunk.

    Raises:
        RateLimited: the provider wants to be left alone for `retry_after_s`, no longer than `tools.patience_s`.
            What `on_progress` has heard is settled: go on from there after that.

    """
    report = OutcomeReport()
    for symbols in _slices(chunk, tools, start):
        if should_stop():
            break
        lines = tools.correction_lines - report.counts.get("corrected", 0)
        report += await _run_slice(replace(chunk, symbols=symbols), tools, lines=lines)
        on_progress(report)
    return report


def _slices(chunk: IngestChunk, tools: IngestTools, start: int) -> list[tuple[str, ...]]:
    capabilities = tools.provider.capabilities
    is_month = chunk.interval in capabilities.bulk_by_month and is_one_month(chunk.sessions)
    is_bulk = is_month or (chunk.interval in capabilities.bulk_by_session and len(chunk.sessions) == 1)
    size = len(chunk.symbols) if is_bulk else capabilities.symbols_per_fetch
    return [chunk.symbols[i : i + size] for i in range(start, len(chunk.symbols), size)]


async def _run_slice(part: IngestChunk, tools: IngestTools, *, lines: int) -> OutcomeReport:
    """Settle some symbols: all their sessions, in windows that fit in memory; log so many corrections at most."""
    counts: Counter[str] = Counter()
    settled: dict[str, SymbolOutcome] = {}
    for sessions in _windows(part, is_tse=tools.market.is_tse):
        window = await run_window(replace(part, sessions=sessions), tools)
        counts.update(window.counts)
        series = BarSeries(tools.provider.name, part.interval)
        log_corrections(series, window.corrections[: max(0, lines)])
        lines -= len(window.corrections)
        found = window.outcomes
        settled = {s: _worse(settled[s], found[s]) for s in part.symbols} if settled else found
    return OutcomeReport(tuple(settled[s] for s in part.symbols), dict(counts))


def _windows(part: IngestChunk, *, is_tse: bool) -> list[tuple[date, ...]]:
    """Cut sessions where too many bars would be held, and where the calendar has a session that is not asked for.

    The checks take sessions that stand side by side for successive ones.
    """
    bars = len(part.symbols) * bars_per_session(part.sessions[-1], part.interval)
    step = max(1, _WINDOW_BARS // bars)
    runs = split_in_runs(part.sessions) if is_tse else [part.sessions]
    return [run[i : i + step] for run in runs for i in range(0, len(run), step)]


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
