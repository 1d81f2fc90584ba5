"""Whether bars are final, meaning that the provider will not change them: by the fetch log, else by their age."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

import polars as pl

from kaboom.market.calendar import closes_at

#: Without an entry in the fetch log, bars count as final when their session is this old.
UNKNOWN_FINAL_AFTER = timedelta(days=7)

_KEY = ["symbol", "session"]
_TIME = pl.Datetime("us", "UTC")


def add_finality(held: pl.DataFrame, fetches: pl.DataFrame, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return rows of `COVERAGE_SCHEMA` with a column `is_final`, by the log in `FETCH_LOG_SCHEMA`.

    True if the provider was asked at least `delay` after the session's close, False if before. Null if there is no
    entry and the session is younger than seven days.
    """
    times = final_times(held["session"].unique(), delay)
    known = held.join(fetches.select(*_KEY, "asked_at"), on=_KEY, how="left", maintain_order="left")
    known = known.join(times, on="session", how="left", maintain_order="left")
    return known.with_columns(is_final=is_final(now)).drop("asked_at", "final_at")


def final_times(sessions: Iterable[date], delay: timedelta) -> pl.DataFrame:
    """Return `final_at` of each session: `delay` after its close."""
    days = list(sessions)
    times = [closes_at(session) + delay for session in days]
    return pl.DataFrame({"session": days, "final_at": times}, schema={"session": pl.Date, "final_at": _TIME})


def next_change(sessions: Iterable[date], delay: timedelta, now: datetime) -> datetime:
    """Return when states of cells change next because time passes: bars become final, now or by their age."""
    finals = [closes_at(session) + delay for session in sessions]
    times = (at + age for at in finals for age in (timedelta(0), UNKNOWN_FINAL_AFTER))
    return min((at for at in times if at > now), default=datetime.max.replace(tzinfo=UTC))


def is_final(now: datetime) -> pl.Expr:
    """Return whether a cell is final, from its `asked_at` and `final_at`; null if that is unknown."""
    old = pl.col("final_at") + UNKNOWN_FINAL_AFTER <= pl.lit(now).cast(_TIME)
    unknown = pl.when(old).then(pl.lit(value=True))
    return pl.when(pl.col("asked_at").is_null()).then(unknown).otherwise(pl.col("asked_at") >= pl.col("final_at"))
