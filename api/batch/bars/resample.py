"""Longer bars from shorter ones, and whether a day of them is the provider's own; pure."""

import polars as pl

from batch.market.bar import BAR_SCHEMA, VALUES, BarFlag
from batch.market.interval import Interval

_KEY = ("symbol", "opened_at")

#: A day whose minutes do not add up to what the provider says of it: ours, and theirs.
DAY_DIFFERENCES = pl.Schema(
    {
        "symbol": pl.String(),
        "opened_at": pl.Datetime("us", "UTC"),
        **{name: BAR_SCHEMA[name] for name in VALUES},
        **{f"their_{name}": BAR_SCHEMA[name] for name in VALUES},
    }
)


def resample(bars: pl.DataFrame, interval: Interval) -> pl.DataFrame:
    """Return bars in `BAR_SCHEMA` as longer ones, from those of any shorter interval that divides it.

    A bar begins where the clock says (`batch.market.calendar.grid`): no bucket of the five intervals but the day's
    holds both the morning and the afternoon, and the auctions fall into the bucket of 11:30 and of the close. A bucket
    without a bar gives none: nothing is filled forward. Flags are those of all parts. A day is a UTC date, which of the
    TSE is the session's.
    """
    opened_at = pl.col("opened_at").dt.truncate(interval.value)
    longer = (
        bars.sort(_KEY)
        .group_by("symbol", opened_at, maintain_order=True)
        .agg(
            pl.col("open").first(),
            pl.col("high").max(),
            pl.col("low").min(),
            pl.col("close").last(),
            pl.col("volume").sum(),
            pl.col("flags").bitwise_or(),
        )
    )
    return longer.select(pl.col(name).cast(kind) for name, kind in BAR_SCHEMA.items())


def compare_days(ours: pl.DataFrame, theirs: pl.DataFrame) -> pl.DataFrame:
    """Return the days of `ours` that `theirs` has too, with another price or volume, in `DAY_DIFFERENCES`.

    Both are daily bars in `BAR_SCHEMA`. Nothing is rounded: the same trades give the same numbers.
    """
    their = theirs.select(*_KEY, *(pl.col(name).alias(f"their_{name}") for name in VALUES))
    differs = pl.any_horizontal(pl.col(name) != pl.col(f"their_{name}") for name in VALUES)
    both = ours.select(*_KEY, *VALUES).join(their, on=_KEY, how="inner")
    return both.filter(differs).sort(_KEY).select(list(DAY_DIFFERENCES))


def flag_days(days: pl.DataFrame, differences: pl.DataFrame) -> pl.DataFrame:
    """Return daily bars with `BarFlag.DAY_DIFFERS` on those that `differences` names."""
    named = pl.struct(_KEY).is_in(differences.select(pl.struct(_KEY)).to_series().implode())
    flag = pl.lit(BarFlag.DAY_DIFFERS.value, pl.UInt16)
    return days.with_columns(pl.when(named).then(pl.col("flags") | flag).otherwise(pl.col("flags")))
