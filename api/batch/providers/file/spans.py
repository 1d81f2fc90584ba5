"""The interval of the bars of each file, and whether their times can be those of their exchange; pure."""

from collections.abc import Sequence

import polars as pl

from batch.market.interval import Interval
from batch.providers.file.moments import explain
from batch.providers.file.names import strip_suffix
from batch.providers.file.reading import OpenedFile
from batch.providers.file.recognise.layout import Role
from batch.providers.file.recognise.steps import find_interval, judge_days, read_interval, typical_step
from batch.providers.file.refusing import Refusals

#: Tokyo trades within these hours; bars at others have another zone.
_TOKYO_HOURS = (8, 16)
_TOLERATED = 0.01


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
    for file, has_clock, typical_s in typical.rows():
        if has_clock:
            part = rows.filter(pl.col("file") == file) if typical.height > 1 else rows
            interval, why = find_interval(part, _hint(opened[file], part), typical_s or 0.0)
            fault = _judge_zone(part, interval, zones[file], is_assumed=is_assumed)
            why = explain(fault, str(part["text"][0])) if fault else why
        else:
            interval, why = judge_days(typical_s or 0.0)
        intervals[file] = None if why else interval
        if why:
            refused.add_file(file, why)
    return intervals


def _typical_days(rows: pl.DataFrame) -> pl.DataFrame:
    """Return for each file whether any bar starts after midnight, and the typical seconds between two days."""
    ordered = rows.select("file", "symbol", "local")
    clock = ordered.group_by("file").agg(
        (pl.col("local") != pl.col("local").dt.truncate("1d")).any().alias("has_clock")
    )
    ordered = ordered.sort("file", "symbol", "local")
    same = (pl.col("file") == pl.col("file").shift(1)) & (pl.col("symbol") == pl.col("symbol").shift(1))
    steps = ordered.select("file", step=pl.when(same).then(pl.col("local").diff().dt.total_seconds()))
    rising = pl.col("step").filter(pl.col("step") > 0)
    typical = steps.group_by("file").agg(typical_step(rising))
    return clock.join(typical, on="file").sort("file")


def _hint(opened: OpenedFile, rows: pl.DataFrame) -> Interval | None:
    """Return the interval that a column, a folder or a part of the name means."""
    if Role.PERIOD.value in rows.columns and (text := rows[Role.PERIOD.value].drop_nulls()).len():
        return read_interval(str(text[0]))
    *folders, name = opened.file.name.split("/")
    tokens = [*folders, *strip_suffix(name).replace(" ", "_").replace(",", "_").split("_")[1:]]
    return next((found for token in reversed(tokens) if (found := read_interval(token))), None)


def _judge_zone(rows: pl.DataFrame, interval: Interval | None, zone: str | None, *, is_assumed: bool) -> str | None:
    """Return the fault of the times: days of an unknown zone, or hours at which Tokyo does not trade."""
    is_bare = pl.col("offset").is_null()
    if interval is Interval.D1:
        has_utc = rows.select((~is_bare & (pl.col("offset") == 0)).any()).item()
        return "utc_day" if zone is None and has_utc else None
    if not is_assumed or zone is None:
        return None
    outside = ~pl.col("wall").dt.hour().is_between(*_TOKYO_HOURS)
    share = rows.filter(is_bare).select(outside.mean()).item()
    return "zone" if share is not None and share > _TOLERATED else None
