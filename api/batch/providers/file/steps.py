"""How long a file's bars are, told from the data."""

from pathlib import Path

import polars as pl

from batch.market.interval import Interval
from batch.providers.file.errors import refuse_file

# A few odd stamps, such as an auction's, do not change what a file is.
_TOLERATED = 0.01
_LONGEST_DAILY_STEP = 5.0


def find_interval(rows: pl.DataFrame, path: Path) -> Interval:
    """Return the interval of bars with the columns `symbol` and `local` (naive), at least one row.

    Bars that all start at midnight, or of which no symbol has two on one day, are daily. Others have the
    longest interval that divides nearly all steps within a day and is the smallest of them.

    Raises:
        ProviderError: the steps are of no supported interval.

    """
    ordered = rows.sort("symbol", "local")
    step = pl.col("local").diff().over("symbol").dt.total_seconds()
    same_day = pl.col("local").dt.date() == pl.col("local").dt.date().shift(1).over("symbol")
    steps = ordered.select(step=step, same_day=same_day)
    within = steps.filter(pl.col("same_day") & (pl.col("step") > 0))["step"]
    midnight = not ordered["local"].dt.truncate("1d").ne(ordered["local"]).any()
    if midnight or within.is_empty():
        return _daily(steps["step"].drop_nulls(), path, certain=midnight or rows.height > 1)
    return _intraday(within, path)


def _daily(steps: pl.Series, path: Path, *, certain: bool) -> Interval:
    if not certain:
        raise refuse_file(path, "expected at least two rows to tell the interval from, found one")
    typical = float(steps.filter(steps > 0).quantile(0.5) or 0.0) / Interval.D1.seconds
    if typical > _LONGEST_DAILY_STEP:
        raise refuse_file(path, f"expected bars of {_names()}, found one every {typical:g} days")
    return Interval.D1


def _intraday(steps: pl.Series, path: Path) -> Interval:
    smallest = int(steps.sort()[0])
    for interval in (Interval.H1, Interval.M15, Interval.M5, Interval.M1):
        fitting = (steps % interval.seconds == 0).sum()
        if fitting >= (1 - _TOLERATED) * len(steps) and (steps == interval.seconds).any():
            return interval
    raise refuse_file(path, f"expected bars of {_names()}, found steps of {smallest} seconds")


def _names() -> str:
    return ", ".join(Interval)
