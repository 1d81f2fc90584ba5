"""When bars are as their provider will leave them: by when it was asked for them, else by their age."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta

import polars as pl

from batch.market.calendar import closes_at

#: Bars of which nobody noted when they were asked for are taken for final when their session is so old.
UNKNOWN_FINAL_AFTER = timedelta(days=7)

_KEY = ["symbol", "session"]
_TIME = pl.Datetime("us", "UTC")


def add_finality(held: pl.DataFrame, asked: pl.DataFrame, *, delay: timedelta, now: datetime) -> pl.DataFrame:
    """Return what is held, in `COVERAGE_SCHEMA`, with a column `is_final`, by answers in `ASKED_SCHEMA`.

    It is true where a provider was asked `delay` after the session's close, false where it was asked before, and
    null where nobody noted when, and the session is younger than seven days.
    """
    answers = asked.select(*_KEY, "asked_at")
    times = final_times(held["session"].unique(), delay)
    known = held.join(answers, on=_KEY, how="left", maintain_order="left")
    known = known.join(times, on="session", how="left", maintain_order="left")
    return known.with_columns(is_final=is_final(now)).drop("asked_at", "final_at")


def final_times(sessions: Iterable[date], delay: timedelta) -> pl.DataFrame:
    """Return `final_at` of each session: when its bars are as the provider will leave them."""
    days = list(sessions)
    times = [closes_at(session) + delay for session in days]
    return pl.DataFrame({"session": days, "final_at": times}, schema={"session": pl.Date, "final_at": _TIME})


def is_final(now: datetime) -> pl.Expr:
    """Return whether a cell is final, by its `asked_at` and `final_at`; null where that is unknown."""
    old = pl.col("final_at") + UNKNOWN_FINAL_AFTER <= pl.lit(now).cast(_TIME)
    unknown = pl.when(old).then(pl.lit(value=True))
    return pl.when(pl.col("asked_at").is_null()).then(unknown).otherwise(pl.col("asked_at") >= pl.col("final_at"))
