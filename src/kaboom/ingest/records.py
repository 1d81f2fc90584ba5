"""The log lines of an ingest: corrections and refusals."""

from collections.abc import Mapping, Sequence
from itertools import islice

import structlog

from kaboom.bars.store import Correction
from kaboom.market.bar import BarSeries
from kaboom.market.outcome import Outcome, SymbolOutcome

_log = structlog.get_logger(__name__)

#: The most reasons that are logged for one slice; the job's failures have the reason of every symbol.
_MOST_REASONS = 20
_MOST_NAMED = 10


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
