"""Making longer bars from shorter ones, and comparing days with the provider's own; pure."""

import polars as pl

from kaboom.market.bar import BAR_SCHEMA, VALUES, BarFlag
from kaboom.market.interval import Interval

_KEY = ("symbol", "opened_at")

#: A day whose minutes do not add up to the provider's daily bar: the values of the minutes, and of the provider.
DAY_DIFFERENCES = pl.Schema(
    {
        "symbol": pl.String(),
        "opened_at": pl.Datetime("us", "UTC"),
        **{name: BAR_SCHEMA[name] for name in VALUES},
        **{f"their_{name}": BAR_SCHEMA[name] for name in VALUES},
    }
)


def roll_up_bars(bars: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return bars in `BAR_SCHEMA` as longer ones, from those of any shorter interval that divides it.

    Bars are aligned to the clock, as in `kaboom.market.calendar.grid`. The auctions belong to the bucket of 11:30 and
    of the close. A bucket without bars gives no bar. The flags of all parts are combined. A day is a UTC date, which
    for the TSE is the session.
    """
    return _roll_up_every(bars, interval.value)


def roll_up_weeks(days: pl.DataFrame) -> pl.DataFrame:
    """Return daily bars in `BAR_SCHEMA` as weekly ones, stamped 00:00 UTC of their Monday, which may be a holiday."""
    return _roll_up_every(days, "1w")


def _roll_up_every(bars: pl.DataFrame, length: str) -> pl.DataFrame:
    longer = roll_up(bars.sort(_KEY), length, pl.col("flags").bitwise_or())
    return longer.select(pl.col(name).cast(kind) for name, kind in BAR_SCHEMA.items())


def roll_up(rows: pl.DataFrame, length: str, *others: pl.Expr) -> pl.DataFrame:
    """Return longer bars of rows with a symbol, `opened_at` and the values of a bar, sorted by both.

    The symbol may be of any type; `length` is an interval or `1w`; `others` are further columns to aggregate.
    """
    opened_at = pl.col("opened_at").dt.truncate(length)
    return rows.group_by("symbol", opened_at, maintain_order=True).agg(
        pl.col("open").first(),
        pl.col("high").max(),
        pl.col("low").min(),
        pl.col("close").last(),
        pl.col("volume").sum(),
        *others,
    )


def compare_days(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Return the days that both have with different prices or volumes, in `DAY_DIFFERENCES`.

    Both are daily bars in `BAR_SCHEMA`. Values are compared exactly: the same trades give the same numbers.
    """
    their = theirs.select(*_KEY, *(pl.col(name).alias(f"their_{name}") for name in VALUES))
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"their_{name}") for name in VALUES)
    both = ours.select(*_KEY, *VALUES).join(their, on=_KEY, how="inner")
    return both.filter(differs).sort(_KEY).select(list(DAY_DIFFERENCES))


def flag_days(days: pl.DataFrame, differences: pl.DataFrame) -> pl.DataFrame:
    """Return daily bars with `BarFlag.DAY_DIFFERS` on those in `differences`."""
    named = pl.struct(_KEY).is_in(differences.select(pl.struct(_KEY)).to_series().implode())
    flag = pl.lit(BarFlag.DAY_DIFFERS.value, pl.UInt16)
    return days.with_columns(pl.when(named).then(pl.col("flags") | flag).otherwise(pl.col("flags")))
