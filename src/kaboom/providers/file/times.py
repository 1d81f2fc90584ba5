"""The times of rows: UTC instants and local days, by the order of day and month and the zone of each file; pure."""

import re
from dataclasses import dataclass
from typing import Literal

import polars as pl

from kaboom.market.calendar import NEWEST_YEAR
from kaboom.providers.file.recognise.dates import OUT_OF_ERA, TWO_DIGITS, UNREADABLE, read_times
from kaboom.providers.file.recognise.layout import Role
from kaboom.providers.file.rules import DateOrder, Rule, Stamp

#: A time of the hour that comes twice when clocks go back. Only its row is refused: nothing else depends on it.
TWICE = "twice"
#: Why the times of a file are refused; `text` is the first of them.
_WHYS = {
    UNREADABLE: "expected a date such as 2024-11-05, 2024-11-05 09:00:00+09:00 or epoch seconds, found {text!r}",
    TWO_DIGITS: "expected a year of four digits, found {text!r}, of which the first or the last two may be the year:"
    " set KABOOM_FILE_DATE_ORDER",
    OUT_OF_ERA: "expected a day of its era, found {text!r}",
    "order": "expected year-month-day, found {text!r}, which may be month/day or day/month: set KABOOM_FILE_DATE_ORDER",
    "mixed": "expected one order of day and month, found {text!r} beside dates in the other order",
    "zone": "expected times with a time zone, found {text!r}: set KABOOM_FILE_TIME_ZONE",
    "utc_day": "expected days, found {text!r}, a time in UTC whose day depends on a time zone: set"
    " KABOOM_FILE_TIME_ZONE",
    TWICE: "expected a time that comes once, found {text!r}, whose hour comes twice as clocks go back: write it with"
    " its offset",
    "year": "expected a year from 1900 to 2099, found {text!r}",
    "day": "expected a time of day of the exchange, as in the other rows, found {text!r}",
    "empty": "expected a date and a symbol in every row, found none",
}

#: Excel's number of a day from 1927 to 2091.
_SERIAL = r"[1-6][0-9]{4}(\.[0-9]+)?"
#: The years of bars; others are typing errors, or stand for no date.
_YEARS = (1900, NEWEST_YEAR)


@dataclass(frozen=True, slots=True)
class TimeRules:
    """How times are read.

    Attributes:
        zone: the zone of times without one; None to find it in each file.
        order: the order of 11/5/2024 and 24/11/05; None to find it in each file.
        stamp: whether minutes and hours are stamped when they open, or when they end.

    """

    zone: str | None = None
    order: DateOrder | None = None
    stamp: Stamp = "start"

    def under(self, rule: Rule | None) -> "TimeRules":
        """Return these rules, but what a rule of `files.toml` says."""
        if rule is None:
            return self
        return TimeRules(rule.time_zone or self.zone, rule.date_order or self.order, rule.stamp or self.stamp)


def date_rows(
    frame: pl.DataFrame, times: tuple[Role, ...], zones: list[str | None], rules: TimeRules, *, is_japanese: bool
) -> pl.DataFrame:
    """Return rows with `utc` (aware), `local` (naive, in the file's zone) and `fault`, why a row is not dated.

    `frame` has the columns of `times`, and `file`, the index of the file in `zones`, which has the zone of each file.
    A row without any text has neither a time nor a fault. `text` is the text of the row's time. Below a Japanese header
    24/11/05 begins with the year, unless a day would be on a weekend.
    """
    text = _join(frame, times)
    frame = frame.with_columns(text.alias("text"))
    short = rules.order or ("ymd" if is_japanese else None)
    known = read_times(text.drop_nulls().unique(maintain_order=True), short)
    rows = frame.join(known, on="text", how="left", maintain_order="left")
    if rules.order is None:
        is_weekend = (pl.col("is_short") & (pl.col("wall").dt.weekday() > 5)).any().over("file")
        doubted = pl.col("is_short") & is_weekend
        rows = rows.with_columns(fault=pl.when(doubted).then(pl.lit(TWO_DIGITS)).otherwise("fault"))
    rows = _order(rows, rules.order)
    return _place(rows, zones)


def explain(fault: str, text: str) -> str:
    """Return why a time is refused."""
    if fault == UNREADABLE and re.fullmatch(_SERIAL, text.strip()):
        return (
            f"expected a date, found {text.strip()!r}, which may be Excel's number of a day: format the column as dates"
        )
    return _WHYS[fault].format(text=text[:40])


def _join(frame: pl.DataFrame, times: tuple[Role, ...]) -> pl.Series:
    parts = [_to_text(frame[role.value]) for role in times]
    if len(parts) == 1:
        return parts[0]
    date, clock = parts
    clock = clock.str.strip_chars()
    # Numbers lose their leading zeros.
    short = clock.str.contains(r"^\d{1,5}$")
    clock = clock.zip_with(~short, clock.str.zfill(4).zip_with(clock.str.len_chars() < 5, clock.str.zfill(6)))
    clock = clock.set(clock.str.contains("^-*$"), None)
    # Days of a table that has minutes, too, have no clock in any row.
    is_day = frame.select("file", none=clock.is_null()).select(pl.col("none").all().over("file")).to_series()
    return (date.str.strip_chars() + " " + clock).zip_with(~is_day, date)


def _to_text(cells: pl.Series) -> pl.Series:
    """Return typed cells as text of the same meaning."""
    kind = cells.dtype
    if kind == pl.Date():
        return cells.dt.strftime("%Y-%m-%d")
    if isinstance(kind, pl.Datetime):
        return cells.dt.strftime("%Y-%m-%d %H:%M:%S%.6f" + ("%z" if kind.time_zone else ""))
    if kind == pl.Time():
        return cells.dt.strftime("%H:%M:%S")
    return cells if kind == pl.String() else cells.cast(pl.String)


def _order(rows: pl.DataFrame, order: str | None) -> pl.DataFrame:
    """Return rows with one `wall`; the dates of a file prove its order of day and month."""
    if rows["one"].null_count() == rows.height:
        return rows
    day_first = (pl.col("one") > 12).any().over("file")
    month_first = (pl.col("two") > 12).any().over("file")
    is_numbered = pl.col("one").is_not_null()
    told = {"dmy": pl.lit(value=True), "mdy": pl.lit(value=False)}.get(order or "", day_first)
    unproven = ~(day_first | month_first) if order in {None, "ymd"} else pl.lit(value=False)
    return rows.with_columns(
        wall=pl.when(is_numbered & told).then("swapped").otherwise("wall"),
        fault=pl.when(is_numbered & day_first & month_first)
        .then(pl.lit("mixed"))
        .when(is_numbered & unproven)
        .then(pl.lit("order"))
        .otherwise("fault"),
    ).with_columns(
        fault=pl.when(is_numbered & pl.col("fault").is_null() & pl.col("wall").is_null())
        .then(pl.lit(UNREADABLE))
        .otherwise("fault")
    )


def _place(rows: pl.DataFrame, zones: list[str | None]) -> pl.DataFrame:
    is_midnight = pl.col("wall") == pl.col("wall").dt.truncate("1d")
    has_offset = pl.col("offset").is_not_null()
    rows = rows.with_columns(
        zone=pl.lit(pl.Series(zones, dtype=pl.String)).gather(pl.col("file")),
        utc=pl.when(has_offset).then(pl.col("wall") - pl.duration(minutes=pl.col("offset"))),
    )
    has_zone = pl.col("zone").is_not_null()
    needs_zone = ~has_offset & ~has_zone & ~is_midnight.fill_null(value=True) & pl.col("fault").is_null()
    rows = rows.with_columns(fault=pl.when(needs_zone).then(pl.lit("zone")).otherwise("fault"))
    parts = [_localise(part, zone) for zone, part in _by_zone(rows)]
    rows = pl.concat(parts) if len(parts) > 1 else parts[0]
    # A midnight with an offset, such as 2023-03-29 00:00:00+09:00, is the 29th in any zone; the zone of a midnight in
    # UTC is unknown.
    own_day = is_midnight & (has_offset & (pl.col("offset") != 0) | ~has_zone)
    is_odd = pl.col("fault").is_null() & ~pl.col("wall").dt.year().is_between(*_YEARS)
    rows = rows.with_columns(fault=pl.when(is_odd).then(pl.lit("year")).otherwise("fault"))
    is_good = pl.col("fault").is_null()
    return rows.sort("row").with_columns(
        utc=pl.when(is_good).then("utc").dt.replace_time_zone("UTC"),
        local=pl.when(is_good).then(pl.when(own_day).then("wall").otherwise("local")),
    )


def _by_zone(rows: pl.DataFrame) -> list[tuple[str | None, pl.DataFrame]]:
    zones = rows["zone"].unique().to_list() or [None]
    return [(zone, rows.filter(pl.col("zone").eq_missing(pl.lit(zone))) if len(zones) > 1 else rows) for zone in zones]


def _localise(rows: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """Return rows with both times; a midnight that comes twice, when clocks go back, is read as the first one."""
    if zone is None:
        return rows.with_columns(utc=pl.col("utc").fill_null(pl.col("wall")), local=pl.col("wall"))
    wall = pl.col("wall")
    own, second = (_to_utc(wall, zone, ambiguous) for ambiguous in ("earliest", "latest"))
    utc = pl.coalesce("utc", own)
    local = utc.dt.replace_time_zone("UTC").dt.convert_time_zone(zone).dt.replace_time_zone(None)
    is_twice = pl.col("utc").is_null() & (own != second) & (wall != wall.dt.truncate("1d"))
    return rows.with_columns(
        utc=utc,
        local=local,
        fault=pl.when(pl.col("fault").is_not_null())
        .then("fault")
        .when(is_twice)
        .then(pl.lit(TWICE))
        .when(utc.is_null() & wall.is_not_null())
        .then(pl.lit(UNREADABLE)),
    )


def _to_utc(wall: pl.Expr, zone: str, ambiguous: Literal["earliest", "latest"]) -> pl.Expr:
    own = wall.dt.replace_time_zone(zone, ambiguous=ambiguous, non_existent="null")
    return own.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
