"""Monthly returns as a heat map; pure."""

import numpy as np

from kaboom.backtest.engine.arrays import Floats, Ints
from kaboom.backtest.report.text import percent, say, section, table

#: Returns from which a month has the next stronger tint.
_TINTS = (0.0, 0.015, 0.035)


def monthly_returns(days: Ints, returns: Floats) -> list[tuple[int, list[float | None], float]]:
    """Return each year, newest first, with the returns of its twelve months and of all of it, as shares."""
    found: dict[int, list[float | None]] = {}
    for day, gain in zip(days.astype("datetime64[D]").tolist(), returns, strict=True):
        months = found.setdefault(day.year, [None] * 12)
        months[day.month - 1] = (1.0 + (months[day.month - 1] or 0.0)) * (1.0 + float(gain)) - 1.0
    return [(year, found[year], _whole(found[year])) for year in sorted(found, reverse=True)]


def month_section(days: Ints, returns: Floats) -> str:
    """Return the heat map of returns by session, `days` numbered since 1970-01-01."""
    head = [(say("year"), False), *((str(month), True) for month in range(1, 13)), (say("total"), True)]
    rows = [
        f"<tr><th>{year}</th>{''.join(map(_cell, months))}{_cell(total)}</tr>"
        for year, months, total in monthly_returns(days, returns)
    ]
    shown = table(head, rows).replace("<table", '<table class="months"', 1)
    return section(say("months"), shown, sub=say("months_sub"))


def _whole(months: list[float | None]) -> float:
    return float(np.prod([1.0 + gain for gain in months if gain is not None])) - 1.0


def _cell(gain: float | None) -> str:
    if gain is None:
        return "<td></td>"
    level = sum(abs(gain) > least for least in _TINTS)
    return f'<td class="num {"p" if gain >= 0 else "n"}{level}">{percent(gain)}</td>'
