"""Facts: the numbers that an analyst may use, each in a row with an id; pure."""

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from kaboom.analysis.vocabulary import Kind

#: With fewer trades, a backtest says little about a strategy.
_LEAST_TRADES = 30
#: The most letters of a text that others wrote, such as the name of a symbol.
MOST_LETTERS = 80
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class SourceRow:
    """One row that a claim can cite.

    Attributes:
        values: numbers by field; their units follow from the names of the fields (`unit_of`).
        notes: texts that others wrote, cleaned by `clean_text`; no claim can cite them.

    """

    id: str
    values: Mapping[str, float]
    session: date | None = None
    notes: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return the row as JSON types."""
        shown: dict[str, Any] = {"id": self.id, "values": dict(self.values)}
        if self.session is not None:
            shown["session"] = self.session.isoformat()
        return shown | ({"notes": dict(self.notes)} if self.notes else {})


@dataclass(frozen=True, slots=True)
class Facts:
    """The facts of one subject: a symbol, or a job."""

    kind: Kind
    subject: str
    rows: tuple[SourceRow, ...]
    name: str = ""

    @property
    def is_known(self) -> bool:
        """Whether there is anything to judge: the newest bar of a symbol, or a job."""
        return self.kind.is_of_job or self.get("close") is not None

    @property
    def has_few_trades(self) -> bool:
        """Whether a backtest has too few closed trades to compare it with its benchmark."""
        return self.kind is Kind.BACKTEST and (self.get("trades") or 0) < _LEAST_TRADES

    def find(self, source: str) -> SourceRow | None:
        """Return the row of an id."""
        return next((row for row in self.rows if row.id == source), None)

    def where(self, name: str) -> SourceRow | None:
        """Return the row that has a field of a name."""
        return next((row for row in self.rows if name in row.values), None)

    def get(self, name: str) -> float | None:
        """Return the number of a field; names of fields are unique."""
        row = self.where(name)
        return None if row is None else row.values[name]

    def to_json(self) -> dict[str, Any]:
        """Return the facts as JSON types."""
        named = {"name": self.name} if self.name else {}
        return {"subject": self.subject, **named, "rows": [row.to_json() for row in self.rows]}


_YEN = frozenset({"open", "high", "low", "close", "range_high", "range_low", "turnover_20"})
_YEN |= {"average_cost", "fees", "final_equity"}
_PRICE_STEMS = ("sma_", "ema_", "bbands_", "atr_")


def unit_of(name: str) -> str:
    """Return the unit of a field: `percent`, `yen`, `shares`, `times`, or "" for a plain number."""
    if name.endswith("_pct"):
        return "percent"
    if name in {"volume", "position_shares"}:
        return "shares"
    if name.startswith("volume_ratio"):
        return "times"
    return "yen" if name in _YEN or name.startswith(_PRICE_STEMS) else ""


def clean_text(text: str) -> str:
    """Return a text that others wrote as one short line, without control, invisible and bidirectional characters."""
    seen = "".join(" " if unicodedata.category(letter) in _UNSEEN else letter for letter in text[: MOST_LETTERS * 4])
    return " ".join(seen.split())[:MOST_LETTERS]
