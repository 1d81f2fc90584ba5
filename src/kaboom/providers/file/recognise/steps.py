"""The interval of a file's bars, found from its rows; pure."""

import polars as pl

from kaboom.market.interval import Interval, parse_interval

# A few irregular stamps, such as those of auctions, do not change the interval of a file.
_TOLERATED = 0.01
_LONGEST_DAILY_STEP = 5.0
#: How files and folders write an interval: Stooq's <PER>, Japanese, and common short forms.
_NAMES = {
    "d": "1d", "day": "1d", "daily": "1d", "日足": "1d", "1day": "1d", "1440": "1d",
    "1": "1m", "m": "1m", "1min": "1m", "minute": "1m", "1分": "1m", "1分足": "1m", "m1": "1m",
    "5": "5m", "5min": "5m", "5分": "5m", "5分足": "5m", "m5": "5m",
    "15": "15m", "15min": "15m", "15分": "15m", "15分足": "15m", "m15": "15m",
    "60": "1h", "h": "1h", "hourly": "1h", "60min": "1h", "60m": "1h", "60分": "1h", "60分足": "1h", "h1": "1h",
}  # fmt: skip


def read_interval(text: str) -> Interval | None:
    """Return the interval that a cell, a folder or a part of a name means, or None."""
    plain = text.strip().lower().removeprefix("interval=")
    plain = _NAMES.get(plain, plain)
    return parse_interval(plain) if plain in set(Interval) else None


def find_interval(
    rows: pl.DataFrame, hint: Interval | None, typical_s: float, *, is_exact: bool = False
) -> tuple[Interval | None, str]:
    """Return the interval, or why there is none, of bars with `symbol` and `local` (naive), not all at midnight.

    Bars of which no symbol has two on one day are daily; `typical_s` is their typical step. Others have the longest
    interval that divides nearly all steps within a day and is the smallest of them. `hint`, which is from a column or a
    name, counts if there are too few rows, or if it `is_exact` and shorter: an issue may trade only each five minutes.
    """
    ordered = rows.select("symbol", "local").sort("symbol", "local")
    step = pl.col("local").diff().over("symbol").dt.total_microseconds() / 1_000_000
    same_day = pl.col("local").dt.date() == pl.col("local").dt.date().shift(1).over("symbol")
    steps = ordered.select(step=step, same_day=same_day)
    within = steps.filter(pl.col("same_day") & (pl.col("step") > 0))["step"]
    if not within.is_empty():
        return _intraday(within, hint, is_exact=is_exact)
    if rows.height == 1:
        return hint, "" if hint else "expected at least two rows to tell the interval from, found one"
    return judge_days(typical_s)


def typical_step(rising: pl.Expr) -> pl.Expr:
    """Return the first quartile of the steps between days, in seconds; null for fewer than two steps.

    Longer steps, as around long holidays or in an issue that seldom trades, do not change it.
    """
    return pl.when(rising.len() > 1).then(rising.quantile(0.25, "lower"))


def judge_days(typical_s: float) -> tuple[Interval | None, str]:
    """Return the interval of bars that all start at midnight, by the seconds from one to the next; 0 for one bar."""
    typical = typical_s / Interval.D1.seconds
    if typical > _LONGEST_DAILY_STEP:
        return None, f"expected bars of {_names()}, found one every {typical:g} days"
    return Interval.D1, ""


def _intraday(steps: pl.Series, hint: Interval | None, *, is_exact: bool) -> tuple[Interval | None, str]:
    smallest = float(steps.sort()[0])
    for interval in (Interval.H1, Interval.M15, Interval.M5, Interval.M1):
        fitting = (steps % interval.seconds == 0).sum()
        if fitting >= (1 - _TOLERATED) * len(steps) and (steps == interval.seconds).any():
            is_shorter = hint is not None and is_exact and hint.seconds < interval.seconds
            return hint if is_shorter else interval, ""
    if hint is not None and not (steps % hint.seconds != 0).any():
        return hint, ""
    other = steps.filter(steps % smallest != 0).sort().head(1)
    found = ", ".join(f"{step:g}" for step in (smallest, *other))
    return None, f"expected bars of {_names()}, found steps of {found} seconds"


def _names() -> str:
    return ", ".join(Interval)
