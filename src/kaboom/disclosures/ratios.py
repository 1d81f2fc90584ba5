"""Figures for a share from the newest statements: profit, equity and dividend."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from kaboom.market.disclosure import FULL_YEAR, Statement

#: The columns: of the statements themselves, and of the close and a statement.
OF_STATEMENTS = ("eps", "forecast_eps", "bps", "dividend")
OF_PRICES = ("per", "forward_per", "pbr", "dividend_yield")
COLUMNS = (*OF_STATEMENTS, *OF_PRICES)
#: A full year's statement is followed by the next one within 13 months; an older one is out of date.
REACH = timedelta(days=500)


@dataclass(frozen=True, slots=True)
class Figure:
    """A figure for a share, and when it was disclosed: later splits change how many shares it is for."""

    value: float
    disclosed_at: datetime


@dataclass(frozen=True, slots=True)
class PerShare:
    """The figures of a symbol for a share; None where nothing says.

    Attributes:
        eps: of the newest full year.
        forecast_eps: the newest forecast of a year that ends after it.
        bps: the newest equity for a share.
        dividend: the newest forecast of such a year, else that of the newest full year.

    """

    eps: Figure | None
    forecast_eps: Figure | None
    bps: Figure | None
    dividend: Figure | None


def find_per_share(found: Sequence[Statement]) -> PerShare:
    """Return the figures of a symbol; its statements are known, oldest disclosure first."""
    # Of equal years the one disclosed last: a correction.
    whole = sorted(
        (each for each in found if each.period == FULL_YEAR and each.eps is not None and each.year_end),
        key=lambda each: (each.year_end, each.disclosed_at),
    )
    year = whole[-1].year_end if whole else None
    ahead = [
        each for each in found if each.forecast_year_end and (year is None or each.forecast_year_end > year)
    ]  # fmt: skip
    dated = sorted((each for each in found if each.period_end), key=lambda each: (each.period_end, each.disclosed_at))
    return PerShare(
        eps=_last(whole, "eps"),
        forecast_eps=_last(ahead, "forecast_eps"),
        bps=_last(dated, "bps"),
        dividend=_last(ahead, "forecast_dividend") or _last(whole, "dividend"),
    )


def _last(statements: list[Statement], name: str) -> Figure | None:
    for statement in reversed(statements):
        if (value := getattr(statement, name)) is not None:
            return Figure(value, statement.disclosed_at)
    return None
