"""Corporate actions that the stored bars speak against: they are added by hand only if the caller insists; pure."""

import math
from datetime import date, timedelta

import polars as pl

from kaboom.market.action import CorporateAction

#: How far before and after the ex-session a bar may be that an action is held against.
LOOK_BACK, LOOK_AHEAD = timedelta(days=31), timedelta(days=7)
#: A price moves by so much without an action, as a logarithm.
_LEAST = 0.03
#: A larger dividend, as a share of the close before, is doubtful.
_MOST_YIELD = 0.2


def find_doubt(action: CorporateAction, bars: pl.DataFrame) -> str | None:
    """Return why daily bars of the symbol as traded speak against an action; None if they do not, or there are none.

    A factor is held against the open of its ex-session: it must be nearer to the close before times the factor than to
    that close alone.
    """
    days = bars.select(pl.col("opened_at").dt.date().alias("day"), "open", "close").sort("day")
    before = days.filter(pl.col("day") < action.ex_session).tail(1).rows()
    after = days.filter(pl.col("day") >= action.ex_session).head(1).rows()
    if not before:
        return None
    last, _, close = before[0]
    if action.amount:
        if action.amount <= close * _MOST_YIELD:
            return None
        was = f"{action.amount:g} yen, beside a close of {close:,g} yen on {last}"
        return f"the dividend was {was}; add --force to keep it"
    if not after:
        return None
    day, opened, _ = after[0]
    expected = close * action.factor
    if abs(math.log(opened / expected)) <= max(abs(math.log(action.factor)) / 2, _LEAST):
        return None
    return _say_open((last, close), (day, opened), expected)


def _say_open(last: tuple[date, float], opened: tuple[date, float], expected: float) -> str:
    was = f"{opened[1]:,g} yen on {opened[0]} after a close of {last[1]:,g} yen on {last[0]}"
    return f"the open was {was}, expected about {expected:,.6g} yen with this factor; add --force to keep it"
