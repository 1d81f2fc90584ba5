"""Monthly returns as a heat map; pure."""

from datetime import date

import numpy as np

from batch.backtest.engine.arrays import Floats, Ints
from batch.backtest.report.text import percent, say, section, table

#: Returns from which a month has the next stronger tint.
_TINTS = (0.0, 0.015, 0.035)


def month_section(days: Ints, returns: Floats) -> str:
    """Return the heat map of returns by session, `days` numbered since 1970-01-01."""
    found: dict[int, dict[int, float]] = {}
    for day, gain in zip(days, returns, strict=True):
        when = date.fromordinal(int(day) + 719163)
        months = found.setdefault(when.year, {})
        months[when.month] = (1.0 + months.get(when.month, 0.0)) * (1.0 + float(gain)) - 1.0
    head = [(say("year"), False), *((str(month), True) for month in range(1, 13)), (say("total"), True)]
    return section(
        say("months"),
        table(head, [_row(year, found[year]) for year in sorted(found, reverse=True)]).replace(
            "<table", '<table class="months"', 1
        ),
        sub=say("months_sub"),
    )


def _row(year: int, months: dict[int, float]) -> str:
    cells = "".join(_cell(months.get(month)) for month in range(1, 13))
    whole = float(np.prod([1.0 + gain for gain in months.values()])) - 1.0
    return f"<tr><th>{year}</th>{cells}{_cell(whole)}</tr>"


def _cell(gain: float | None) -> str:
    if gain is None:
        return "<td></td>"
    level = sum(abs(gain) > least for least in _TINTS)
    return f'<td class="num {"p" if gain >= 0 else "n"}{level}">{percent(gain)}</td>'
