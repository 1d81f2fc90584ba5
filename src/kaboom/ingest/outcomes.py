"""The outcome of each symbol of a window, by what was said, rejected and written; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from kaboom.bars.quality.checks import Checked
from kaboom.bars.store import RefusedBars, WriteReport
from kaboom.market.outcome import Outcome, SymbolOutcome

#: Of two rows for one bar the later one counts, so nothing is left to do for the other.
_SETTLED = "duplicate"
_REJECTED = "rejected: "


@dataclass(frozen=True, slots=True)
class Writing:
    """The result of a write: a failure of all of it, or the symbols of which the store refused bars."""

    failure: str = ""
    refused: Mapping[str, RefusedBars] = field(default_factory=dict)
    report: WriteReport = field(default=WriteReport(0))


@dataclass(frozen=True, slots=True)
class _Rejected:
    """The rejected rows of a symbol: how many, why, and the first that someone can correct in a file."""

    rows: int = 0
    reasons: str = ""
    place: str = ""

    @property
    def message(self) -> str:
        return f"{_REJECTED}{self.reasons}{self.place}"


def find_outcomes(
    symbols: Sequence[str], reported: Mapping[str, SymbolOutcome], checked: Checked, writing: Writing
) -> dict[str, SymbolOutcome]:
    """Return the outcome of every symbol; `reported` has those that the provider said."""
    written = dict(checked.bars.group_by("symbol").len().rows())
    rejected = _find_rejected(checked.quarantined)
    outcomes = {}
    for symbol in symbols:
        rows, lost = written.get(symbol, 0), rejected.get(symbol, _Rejected())
        outcome = _judge(reported.get(symbol, SymbolOutcome(symbol, Outcome.NO_TRADES)), rows, lost, writing)
        outcomes[symbol] = replace(outcome, refused=lost.rows)
    return outcomes


def say_stored(outcome: SymbolOutcome) -> SymbolOutcome:
    """Return an outcome whose message says how many of the symbol's rows were stored."""
    if outcome.outcome is not Outcome.INVALID or not outcome.refused:
        return outcome
    if outcome.rows:
        given = outcome.rows + outcome.refused
        return replace(outcome, message=f"{outcome.rows:,} of {given:,} rows were stored; {outcome.message}")
    if outcome.message.startswith(_REJECTED):
        return replace(outcome, message=f"every row was rejected: {outcome.message.removeprefix(_REJECTED)}")
    return outcome


def _judge(reported: SymbolOutcome, rows: int, lost: _Rejected, writing: Writing) -> SymbolOutcome:
    symbol = reported.symbol
    if writing.failure and (rows or lost.rows):
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, message=writing.failure)
    if symbol in writing.refused:
        refused = writing.refused[symbol]
        message = f"the store refused {refused.bars} of {rows} bars: {refused.reason}"
        return SymbolOutcome(symbol, Outcome.WRITE_FAILED, rows=rows - refused.bars, message=message)
    if not reported.outcome.is_fine:
        # The fetch failed after some bars, or a part of a file cannot be read.
        return replace(reported, rows=rows)
    if lost.place or (lost.rows and not rows):
        return SymbolOutcome(symbol, Outcome.INVALID, rows=rows, message=lost.message)
    # Without rows, all of them were empty, so nothing traded.
    return SymbolOutcome(symbol, Outcome.OK, rows=rows) if rows else reported


def _find_rejected(quarantined: pl.DataFrame) -> dict[str, _Rejected]:
    if not quarantined.height:
        return {}
    is_placed = pl.col("file").is_not_null() & (pl.col("reason") != _SETTLED)
    found = quarantined.group_by("symbol").agg(
        pl.len(),
        pl.col("reason").unique().sort().str.join(", "),
        pl.col("file").filter(is_placed).first(),
        pl.col("line").filter(is_placed).first(),
    )
    return {
        symbol: _Rejected(rows, reasons, f" ({file}, line {line})" if file else "")
        for symbol, rows, reasons, file, line in found.rows()
    }
