"""Records of an ingest beside the bars: the fetch log, and log lines of corrections and refusals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import polars as pl
import structlog

from batch.bars.coverage.fetch_log import build_fetch_log, keep_fetch_log
from batch.bars.store import BarStore, Correction
from batch.ingest.plan import IngestChunk
from batch.market.bar import BarSeries
from batch.market.outcome import Outcome, SymbolOutcome

_log = structlog.get_logger(__name__)

#: The most reasons that are logged for one slice; the job's failures have the reason of every symbol.
_MOST_REASONS = 20
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class StoredFetch:
    """A stored fetch: the request, its time, and the bars that it returned."""

    part: IngestChunk
    asked_at: datetime
    bars: pl.DataFrame


async def log_window_fetch(
    store: BarStore, series: BarSeries, *, fetch: StoredFetch, outcomes: Mapping[str, SymbolOutcome]
) -> None:
    """Add a fetch to the fetch log, for the symbols whose outcome is fine."""
    symbols = [symbol for symbol in fetch.part.symbols if outcomes[symbol].outcome.is_fine]
    if not symbols:
        return
    fetches = build_fetch_log(fetch.bars, symbols, fetch.part.sessions, fetch.asked_at)
    await keep_fetch_log(store, series, fetches)


def log_corrections(series: BarSeries, corrections: Sequence[Correction]) -> None:
    """Log each corrected bar: open, high, low, close and volume before and after."""
    for bar in corrections:
        _log.info(
            "bar_corrected",
            provider=series.source,
            interval=series.interval.value,
            symbol=bar.symbol,
            opened_at=bar.opened_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
            old=_values(bar.old),
            new=_values(bar.new),
        )


def log_refusals(outcomes: Mapping[str, SymbolOutcome]) -> None:
    """Log each reason why bars could not be stored, with its first symbols."""
    by_reason: dict[str, list[str]] = {}
    for symbol, outcome in outcomes.items():
        if outcome.outcome is Outcome.WRITE_FAILED:
            by_reason.setdefault(outcome.message, []).append(symbol)
    for reason, symbols in islice(by_reason.items(), _MOST_REASONS):
        _log.warning("write_failed", symbols=len(symbols), first_symbols=" ".join(symbols[:_MOST_NAMED]), reason=reason)


def _values(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.15g}" for value in values)
