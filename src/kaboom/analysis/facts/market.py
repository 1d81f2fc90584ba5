"""Facts of a symbol from its daily bars and indicators; pure, and without polars."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate, pairwise
from statistics import mean, stdev

from kaboom.analysis.facts.model import Facts, SourceRow, clean_text
from kaboom.analysis.vocabulary import Kind

#: The indicators that the facts hold, as `src/kaboom/indicators` writes them.
INDICATORS = ("sma:25", "sma:75", "rsi:14", "macd:12,26,9", "atr:14")
#: Sessions in a year on the Tokyo Stock Exchange, about.
_SESSIONS_A_YEAR = 245
_SHORT = 20


@dataclass(frozen=True, slots=True)
class Holding:
    """The caller's position in a symbol: shares, average cost in yen, and per cent of the portfolio's cost."""

    shares: int
    average_cost: float
    cost_share_pct: float


@dataclass(frozen=True, slots=True)
class History:
    """Daily bars of a symbol, oldest first, with columns of indicators; and the number of requested sessions."""

    symbol: str
    sessions: Sequence[date]
    columns: Mapping[str, Sequence[float | None]]
    asked: int
    name: str = ""
    holding: Holding | None = None

    def column(self, name: str) -> list[float]:
        """Return the values of a column, without those that are missing or not finite."""
        return [float(value) for value in self.columns[name] if value is not None and math.isfinite(value)]


def gather_technical(history: History) -> Facts:
    """Return the facts of a technical analysis.

    Prices are in yen, fields that end with `_pct` in per cent.
    """
    rows = [_newest_bar(history), _changes(history), _indicators(history, ("sma", "rsi", "macd"))]
    return _gather(Kind.TECHNICAL, history, rows)


def gather_risk(history: History) -> Facts:
    """Return the facts of a risk analysis: volatility a year, falls in per cent, turnover a session in yen."""
    return _gather(Kind.RISK, history, [_newest_bar(history), _risks(history), _indicators(history, ("atr",))])


def _gather(kind: Kind, history: History, rows: Sequence[SourceRow]) -> Facts:
    held = len(history.sessions)
    coverage = {"sessions": history.asked, "bars": held, "missing": max(history.asked - held, 0)}
    others = (SourceRow(f"{history.symbol}/coverage", coverage), _position(history))
    found = tuple(row for row in (*rows, *others) if row.values)
    return Facts(kind, history.symbol, found, name=clean_text(history.name))


def _position(history: History) -> SourceRow:
    holding, name = history.holding, f"{history.symbol}/position"
    if holding is None:
        return SourceRow(name, {})
    close = _last(history.columns["close"])
    values = {
        "position_shares": float(holding.shares),
        "average_cost": round(holding.average_cost, 2),
        "cost_share_pct": round(holding.cost_share_pct, 2),
    }
    if close is not None and holding.average_cost > 0:
        values["unrealised_pct"] = round(100 * (close / holding.average_cost - 1), 2)
    return SourceRow(name, values)


def _row(history: History, name: str, values: Mapping[str, float | None]) -> SourceRow:
    if not history.sessions:
        return SourceRow(f"{history.symbol}/{name}", {})
    last = history.sessions[-1]
    known = {k: round(v, 2) for k, v in values.items() if v is not None and math.isfinite(v)}
    return SourceRow(f"{history.symbol}/{name}/{last}", known, session=last)


def _newest_bar(history: History) -> SourceRow:
    names = ("open", "high", "low", "close", "volume")
    return _row(history, "bar", {name: _last(history.columns[name]) for name in names})


def _indicators(history: History, stems: tuple[str, ...]) -> SourceRow:
    names = [name for name in history.columns if name.startswith(stems)]
    return _row(history, "indicators", {name: _last(history.columns[name]) for name in names})


def _changes(history: History) -> SourceRow:
    closes, volumes = history.column("close"), history.column("volume")
    highs, lows = history.column("high"), history.column("low")
    before = volumes[-_SHORT - 1 : -1]
    values = {
        "change_pct": _change_pct(closes, 1),
        "return_5_pct": _change_pct(closes, 5),
        "return_20_pct": _change_pct(closes, _SHORT),
        "range_high": max(highs, default=None),
        "range_low": min(lows, default=None),
        "volume_ratio_20": volumes[-1] / mean(before) if len(before) == _SHORT and mean(before) > 0 else None,
    }
    return _row(history, "changes", values)


def _risks(history: History) -> SourceRow:
    closes, volumes = history.column("close"), history.column("volume")
    changes = [now / then - 1 for then, now in pairwise(closes) if then > 0]
    pairs = list(zip(closes, volumes, strict=False))[-_SHORT:]
    # A single close has no drawdown.
    values = {
        "volatility_20_pct": _volatility_pct(changes[-_SHORT:]) if len(changes) >= _SHORT else None,
        "max_drawdown_pct": _drawdown_pct(closes) if len(closes) > 1 else None,
        "worst_day_pct": 100 * min(changes) if changes else None,
        "turnover_20": mean(close * volume for close, volume in pairs) if len(pairs) == _SHORT else None,
    }
    return _row(history, "risks", values)


def _last(values: Sequence[float | None]) -> float | None:
    return values[-1] if values else None


def _change_pct(closes: Sequence[float], sessions: int) -> float | None:
    if len(closes) <= sessions or closes[-1 - sessions] <= 0:
        return None
    return 100 * (closes[-1] / closes[-1 - sessions] - 1)


def _volatility_pct(changes: Sequence[float]) -> float:
    return 100 * stdev(changes) * math.sqrt(_SESSIONS_A_YEAR)


def _drawdown_pct(closes: Sequence[float]) -> float:
    highest = accumulate(closes, max)
    return 100 * min((close / high - 1 for close, high in zip(closes, highest, strict=True) if high > 0), default=0.0)
