"""What an ingest leaves behind beside bars: what providers answered, and which stored bars they corrected."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl
import structlog

from batch.bars.answers import keep_asked
from batch.bars.asked import tell_asked
from batch.bars.store import BarStore, Correction
from batch.ingest.plan import IngestChunk
from batch.market.bar import BarSeries
from batch.market.outcome import SymbolOutcome

_log = structlog.get_logger(__name__)


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


def _values(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:.15g}" for value in values)
