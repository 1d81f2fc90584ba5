"""The numbers of backtests as text: metrics, shares, months, and the words of a title; pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kaboom.backtest.report.text import DASH, metric, number, percent
from kaboom.market.calendar import JST

#: The monthly returns from which a cell has the next stronger tint; for years three times as much.
_TINTS = (0.0005, 0.015, 0.035)
#: Parameters that most strategies have, and that titles leave out.
_SETTINGS = frozenset({"weight", "side", "stop_loss", "take_profit"})
#: The metrics of a report, in the order of the page.
METRICS = (
    "total_return", "cagr", "volatility", "sharpe", "sortino", "max_drawdown", "longest_below_peak", "exposure",
    "hit_rate", "turnover", "fees",
)  # fmt: skip


def signed_percent(value: float | None) -> str:
    """Return a share as percent with its sign; a dash if it is unknown."""
    return DASH if value is None else f"{_minus(f'{100 * value:+,.1f}')}%"


def signed(value: float | None, digits: int = 0) -> str:
    """Return a number with its sign; a dash if it is unknown."""
    return DASH if value is None else _minus(f"{value:+,.{digits}f}")


def month(value: float | None) -> str:
    """Return the return of a month in percent, without the percent sign; "" without a return."""
    return "" if value is None else "0.0" if abs(value) < 0.0005 else _minus(f"{100 * value:+.1f}")


def tint(value: float | None, *, is_year: bool = False) -> str:
    """Return the class of a cell of the heat map: u1 to u3, d1 to d3, or "" around 0."""
    if value is None:
        return ""
    level = sum(abs(value) / (3 if is_year else 1) >= least for least in _TINTS)
    return f"{'u' if value > 0 else 'd'}{level}" if level else ""


def way(value: float | None) -> str:
    """Return the class of a gain's colour: `up`, `down`, or "" for neither."""
    return "" if not value else "up" if value > 0 else "down"


def local(at: str | None) -> str:
    """Return the time of a bar in Japan; for daily bars, the day."""
    if at is None:
        return DASH
    return datetime.fromisoformat(at).astimezone(JST).strftime("%Y-%m-%d" if "T00:00:00" in at else "%Y-%m-%d %H:%M")


def short_parameters(parameters: Mapping[str, Any]) -> str:
    """Return the parameters of a strategy for a title, such as `20/50`."""
    return "/".join(shown(value) for name, value in parameters.items() if name not in _SETTINGS and value is not None)


def list_parameters(parameters: Mapping[str, Any]) -> str:
    """Return parameters with their names; those that are not set are left out."""
    return " ".join(f"{name}={shown(value)}" for name, value in parameters.items() if value is not None)


def shown(value: Any) -> str:
    """Return a value of a parameter or of a request as text."""
    if isinstance(value, list):
        return ", ".join(shown(each) for each in value)
    if isinstance(value, bool):
        return "true" if value else "false"
    return DASH if value is None else f"{value:g}" if isinstance(value, float) else str(value)


#: These functions by their names in templates.
NUMBERS = {
    each.__name__: each
    for each in (
        metric, number, percent, signed_percent, signed, month, tint, way, local, short_parameters, list_parameters,
        shown,
    )
}  # fmt: skip


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
