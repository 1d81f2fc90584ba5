"""The outcome of each symbol of a window, by what was said, rejected and written; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import polars as pl

from kaboom.bars.quality.checks import Checked
from kaboom.bars.store import RefusedBars, WriteReport
from kaboom.market.bar import VALUES
from kaboom.market.calendar import JST
from kaboom.market.outcome import Outcome, SymbolOutcome

#: Of two rows for one bar the later one counts, so nothing is left to do for the other.
_SETTLED = "duplicate"
_REJECTED = "rejected: "
#: The reasons that are in the values of a row; the others are in its time or its symbol.
_OF_VALUES = frozenset({"bad_price", "ohlc_order", "bad_volume", "unreadable"})


@dataclass(frozen=True, slots=True)
class Writing:
    """The result of a write: a failure of all of it, or the symbols of which the store refused bars."""

    failure: str = ""
    refused: Mapping[str, RefusedBars] = field(default_factory=dict)
    report: WriteReport = field(default=WriteReport(0))


@dataclass(frozen=True, slots=True)
class _Rejected:
    """The rejected rows of a symbol: how many, why, and the first, if possible one that can be corrected in a file."""

    rows: int = 0
    reasons: str = ""
    first: str = ""
    is_in_file: bool = False

    @property
    def message(self) -> str:
        return f"{_REJECTED}{self.reasons} ({self.first})" if self.first else f"{_REJECTED}{self.reasons}"


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
    if lost.is_in_file or (lost.rows and not rows):
        return SymbolOutcome(symbol, Outcome.INVALID, rows=rows, message=lost.message)
    # Without rows, all of them were empty, so nothing traded.
    return SymbolOutcome(symbol, Outcome.OK, rows=rows) if rows else reported


def _find_rejected(quarantined: pl.DataFrame) -> dict[str, _Rejected]:
    if not quarantined.height:
        return {}
    found = quarantined.group_by("symbol").agg(pl.len(), pl.col("reason").unique().sort().str.join(", "))
    faults = quarantined.filter(pl.col("reason") != _SETTLED).sort(pl.col("file").is_null(), maintain_order=True)
    firsts = {row["symbol"]: row for row in faults.unique("symbol", keep="first", maintain_order=True).to_dicts()}
    return {symbol: _describe(rows, reasons, firsts.get(symbol)) for symbol, rows, reasons in found.rows()}


def _describe(rows: int, reasons: str, first: Mapping[str, Any] | None) -> _Rejected:
    """Return the rejected rows of a symbol; the first is said by its line or time, and by its values."""
    if first is None:
        return _Rejected(rows, reasons)
    at = f"at {first['opened_at'].astimezone(JST):%Y-%m-%d %H:%M}" if first["opened_at"] else ""
    said = ", ".join(f"{name} {first[name]:.15g}" for name in VALUES if first[name] is not None)
    values = f"with {said}" if said else ""
    parts = [at, values]
    if first["file"]:
        parts = [f"{first['file']}, line {first['line']}", values if first["reason"] in _OF_VALUES else at]
    return _Rejected(rows, reasons, ", ".join(filter(None, parts)), is_in_file=first["file"] is not None)
