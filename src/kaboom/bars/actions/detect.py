"""What stored bars say of corporate actions: suspected splits, and doubts of actions added by hand; pure."""

import math
from collections.abc import Mapping
from datetime import date, timedelta

import numpy as np
import polars as pl

from kaboom.bars.quality.soft_rules import SPLIT_RATIOS
from kaboom.market.action import CorporateAction
from kaboom.market.bar import BarFlag
from kaboom.market.rules import limit_bounds

#: How far before and after the ex-session a bar may be that an action is held against.
LOOK_BACK, LOOK_AHEAD = timedelta(days=31), timedelta(days=7)
#: A price moves by so much without an action, as a logarithm.
_LEAST = 0.03
#: A larger dividend, as a share of the close before, is doubtful.
_MOST_YIELD = 0.2


def suspect_splits(
    bars: pl.DataFrame, previous_closes: Mapping[str, float], *, is_tse: bool
) -> tuple[CorporateAction, ...]:
    """Return suspected splits in checked bars of successive sessions, by symbol, then session.

    A suspect is a flagged bar that opens beyond the daily limit from the previous close; outside the TSE the flag is
    enough. The factor is the nearest usual ratio. `previous_closes` are those before the first session.
    """
    is_flagged = pl.col("flags") & BarFlag.SPLIT_SUSPECT.value != 0
    symbols = bars.filter(is_flagged)["symbol"].unique()
    earlier = pl.col("symbol").replace_strict(dict(previous_closes), default=None, return_dtype=pl.Float64)
    before = pl.coalesce(pl.col("close").shift(1).over("symbol"), earlier)
    rows = (
        bars.filter(pl.col("symbol").is_in(symbols.implode()))
        .select("symbol", pl.col("opened_at").dt.date(), "open", "flags", before=before)
        .filter(is_flagged, pl.col("before").is_not_null())
    )
    ratio = rows["open"].to_numpy() / rows["before"].to_numpy()
    if is_tse:
        lower, upper = limit_bounds(rows["before"].to_numpy())
        beyond = (rows["open"].to_numpy() < lower) | (rows["open"].to_numpy() > upper)
    else:
        beyond = np.ones(ratio.size, dtype=np.bool_)
    nearest = SPLIT_RATIOS[np.abs(np.abs(np.log(ratio))[:, None] - np.log(SPLIT_RATIOS)).argmin(axis=1)]
    factors = np.where(ratio < 1, 1 / nearest, nearest)
    return tuple(
        CorporateAction(symbol, day, float(factor))
        for (symbol, day), factor, far in zip(rows.select("symbol", "opened_at").rows(), factors, beyond, strict=True)
        if far
    )


def find_doubt(action: CorporateAction, bars: pl.DataFrame) -> str | None:
    """Return why a symbol's daily bars, as traded, contradict an action; None if they do not, or there are none.

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
