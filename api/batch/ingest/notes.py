"""What an ingest leaves behind beside bars: what providers answered, and which stored bars they corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice

import polars as pl
import structlog

from batch.bars.coverage.answers import keep_asked
from batch.bars.coverage.asked import tell_asked
from batch.bars.store import BarStore, Correction
from batch.ingest.plan import IngestChunk
from batch.market.bar import BarSeries
from batch.market.outcome import Outcome, SymbolOutcome

_log = structlog.get_logger(__name__)

#: Of one slice; every symbol's own reason is in the job's failures.
_MOST_REASONS = 20
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Answer:
    """A provider's answer that has been stored: what was asked for, when, and the bars that it brought."""

    part: IngestChunk
    asked_at: datetime
    bars: pl.DataFrame


async def note_asked(
    store: BarStore, series: BarSeries, *, answer: Answer, outcomes: Mapping[str, SymbolOutcome]
) -> None:
    """Keep which sessions of which symbols a provider has answered for, of symbols whose outcome is fine."""
    symbols = [symbol for symbol in answer.part.symbols if outcomes[symbol].outcome.is_fine]
    if not symbols:
        return
    asked = tell_asked(answer.bars, symbols, answer.part.sessions, answer.asked_at)
    await keep_asked(store, series, asked)


def log_corrections(series: BarSeries, corrections: Sequence[Correction]) -> None:
    """Write a log line for each corrected bar: open, high, low, close and volume before and after."""
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
    """Write a log line for each reason for which bars could not be stored, with the first symbols that it is of."""
    by_reason: dict[str, list[str]] = {}
    for symbol, outcome in outcomes.items():
        if outcome.outcome is Outcome.WRITE_FAILED:
            by_reason.setdefault(outcome.message, []).append(symbol)
    for reason, symbols in islice(by_reason.items(), _MOST_REASONS):
        _log.warning("write_failed", symbols=len(symbols), first_symbols=" ".join(symbols[:_MOST_NAMED]), reason=reason)


def _values(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.15g}" for value in values)
