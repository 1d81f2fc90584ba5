"""The interval of a file, found from its rows, and whether its times can be those of its exchange; pure."""

import re
from collections.abc import Sequence

import polars as pl

from kaboom.market.interval import Interval, parse_interval
from kaboom.providers.file.names import strip_suffix
from kaboom.providers.file.plausibility import MOST_REPEATS, judge_repeats
from kaboom.providers.file.reader import OpenedFile
from kaboom.providers.file.recognise.layout import Role
from kaboom.providers.file.refusals import Refusals
from kaboom.providers.file.times import explain

# A few irregular stamps, such as those of auctions, do not change the interval of a file.
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


TOKYO = "Asia/Tokyo"
#: Tokyo trades within these hours; bars at others have another zone.
_TOKYO_HOURS = (8, 16)
_TOLERATED = 0.01
#: A text with a time of day, or of epoch seconds.
_CLOCK = r"[:時]|[0-9]{9}|[0-9][T ]+[0-9]{3,6}$"


def find_intervals(
    rows: pl.DataFrame,
    opened: Sequence[OpenedFile],
    zones: Sequence[str | None],
    refused: Refusals,
    *,
    is_assumed: bool,
) -> list[Interval | None]:
    """Return the interval of each file; None if it has no interval.

    `is_assumed` says that the zone of times without one was taken from the symbol.
    """
    intervals: list[Interval | None] = [None] * len(opened)
    if rows.is_empty():
        return intervals
    typical = _typical_days(rows)
    for file, has_clock, typical_s, repeats in typical.rows():
        if has_clock:
            part = rows.filter(pl.col("file") == file) if typical.height > 1 else rows
            hint, is_exact = _hint(opened[file], part)
            interval, why = find_interval(part, hint, typical_s or 0.0, is_exact=is_exact)
            fault = _judge_zone(part, interval, zones[file], is_assumed=is_assumed)
            why = explain(fault, str(part["text"][0])) if fault else why
        else:
            interval, why = judge_days(typical_s or 0.0)
        why, line = (
            (why, None) if why or repeats <= MOST_REPEATS else judge_repeats(rows.filter(pl.col("file") == file))
        )
        intervals[file] = None if why else interval
        if why:
            refused.add_file(file, why, line=line)
    return intervals


def drop_days(
    rows: pl.DataFrame, intervals: Sequence[Interval | None], zones: Sequence[str | None], refused: Refusals
) -> pl.DataFrame:
    """Return rows without those that are a day among minutes, as a total of the day, which are refused.

    Such a row has no time of day, or a time at which Tokyo does not trade, and few are like it.
    """
    in_day = pl.Series([each is not None and each.is_intraday for each in intervals], dtype=pl.Boolean)
    of_tokyo = pl.Series([refused.is_of_tokyo(file) and zone == TOKYO for file, zone in enumerate(zones)])
    is_midnight = pl.col("local") == pl.col("local").dt.truncate("1d")
    is_outside = pl.lit(of_tokyo).gather(pl.col("file")) & ~pl.col("local").dt.hour().is_between(*_TOKYO_HOURS)
    if not in_day.any() or not rows.select((is_midnight | is_outside).any()).item():
        return rows
    is_bare = pl.lit(refused.has_texts) & is_midnight & ~pl.col("text").str.contains(_CLOCK)
    is_rare = is_outside.mean().over("file") <= _TOLERATED
    is_odd = is_bare | is_outside & (is_midnight | is_rare)
    judged = rows.with_columns(is_odd=pl.lit(in_day).gather(pl.col("file")) & is_odd.fill_null(value=False))
    column = refused.layout.name_of(refused.layout.times[0])
    for part in judged.filter("is_odd").partition_by("file", maintain_order=True):
        refused.add_rows(part, explain("day", str(part["text"][0])), column=column)
    return judged.filter(~pl.col("is_odd")).drop("is_odd")


def _typical_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Return for each file whether any bar starts after midnight, the typical seconds between two days, and repeats."""
    ordered = rows.select("file", "symbol", "local")
    clock = ordered.group_by("file").agg(
        (pl.col("local") != pl.col("local").dt.truncate("1d")).any().alias("has_clock")
    )
    ordered = ordered.sort("file", "symbol", "local")
    same = (pl.col("file") == pl.col("file").shift(1)) & (pl.col("symbol") == pl.col("symbol").shift(1))
    steps = ordered.select("file", step=pl.when(same).then(pl.col("local").diff().dt.total_seconds()))
    rising = pl.col("step").filter(pl.col("step") > 0)
    typical = steps.group_by("file").agg(typical_step(rising), repeats=(pl.col("step") == 0).sum())
    return clock.join(typical, on="file").sort("file")


def _hint(opened: OpenedFile, rows: pl.DataFrame) -> tuple[Interval | None, bool]:
    """Return the interval that a column, a folder or a part of the name means, and whether it says how many minutes."""
    if Role.PERIOD.value in rows.columns and (texts := rows[Role.PERIOD.value].drop_nulls().cast(pl.String)).len():
        return read_interval(texts[0]), any(map(str.isdigit, texts[0])) and texts.n_unique() == 1
    *folders, name = opened.file.name.split("/")
    stem = strip_suffix(name)
    # A number alone may be that of a part; TradingView writes one after a comma.
    tokens = [each for each in re.split("[ ,_]+", stem)[1:] if not each.isdigit() or f", {each}" in stem]
    said = next((token for token in reversed([*folders, *tokens]) if read_interval(token)), "")
    return read_interval(said), any(map(str.isdigit, said))


def _judge_zone(rows: pl.DataFrame, interval: Interval | None, zone: str | None, *, is_assumed: bool) -> str | None:
    """Return the fault of the times: days of an unknown zone, or hours at which Tokyo does not trade."""
    is_bare = pl.col("offset").is_null()
    if interval is Interval.D1:
        has_utc = rows.select((~is_bare & (pl.col("offset") == 0)).any()).item()
        return "utc_day" if zone is None and has_utc else None
    if not is_assumed or zone is None:
        return None
    # A row at midnight is a day, which `drop_days` refuses.
    is_midnight = pl.col("wall") == pl.col("wall").dt.truncate("1d")
    outside = ~pl.col("wall").dt.hour().is_between(*_TOKYO_HOURS) & ~is_midnight
    share = rows.filter(is_bare).select(outside.mean()).item()
    return "zone" if share is not None and share > _TOLERATED else None
