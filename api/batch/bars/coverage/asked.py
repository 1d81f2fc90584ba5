"""What providers answered, as runs of sessions: rows of `ASKED_SCHEMA` put together, and taken apart again."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import polars as pl

from batch.bars.store import ASKED_SCHEMA

_KEY = ["symbol", "session"]
#: Rows of equal answers on days that follow one another.
RUN_SCHEMA = pl.Schema(
    {
        "symbol": pl.String(),
        "first": pl.Date(),
        "last": pl.Date(),
        "bars": pl.Int64(),
        "asked_at": pl.Datetime("us", "UTC"),
    }
)


def tell_asked(bars: pl.DataFrame, symbols: Sequence[str], sessions: Sequence[date], asked_at: object) -> pl.DataFrame:
    """Return an answer in `ASKED_SCHEMA` of each symbol and session, from the bars in `BAR_SCHEMA` that it brought."""
    if len(sessions) == 1:
        return _tell_one(bars, sorted(symbols), sessions[0], asked_at)
    counted = bars.group_by("symbol", pl.col("opened_at").dt.date().alias("session")).len("bars")
    cells = pl.DataFrame({"symbol": list(symbols)}, schema={"symbol": pl.String}).join(
        pl.DataFrame({"session": list(sessions)}, schema={"session": pl.Date}), how="cross"
    )
    told = cells.join(counted, on=_KEY, how="left").with_columns(
        pl.col("bars").fill_null(0).cast(pl.Int64),
        pl.lit(asked_at).cast(ASKED_SCHEMA["asked_at"]).alias("asked_at"),
    )
    return told.select(list(ASKED_SCHEMA)).sort(_KEY)


def _tell_one(bars: pl.DataFrame, symbols: Sequence[str], session: date, asked_at: object) -> pl.DataFrame:
    # Every daily ingest comes here: a query of polars costs more than to count its few symbols by hand.
    runs = bars["symbol"].rle().struct
    counted: Counter[str] = Counter()
    for symbol, length in zip(runs.field("value").to_list(), runs.field("len").to_list(), strict=True):
        counted[symbol] += length
    rows = len(symbols)
    columns = {
        "symbol": symbols,
        "session": [session] * rows,
        "bars": [counted[symbol] for symbol in symbols],
        "asked_at": [asked_at] * rows,
    }
    return pl.DataFrame(columns, schema=ASKED_SCHEMA)


def newest_asked(asked: pl.DataFrame) -> pl.DataFrame:
    """Return the newest answer on each symbol and session, of equally new ones the last row's; sorted by both."""
    ordered = asked.sort("asked_at", maintain_order=True)
    return ordered.unique(_KEY, keep="last", maintain_order=True).sort(_KEY)


def to_runs(asked: pl.DataFrame) -> pl.DataFrame:
    """Return answers as runs in `RUN_SCHEMA`: years of daily bars, or of nothing, are one row.

    A run goes on over days without a row of any symbol only where those are a weekend: a session that nobody
    asked for must not lie in one.
    """
    session = asked["session"]
    if session.min() == session.max():
        return asked.rename({"session": "first"}).insert_column(2, session.alias("last"))
    days = asked.select("session").unique().sort("session")
    # Days that follow each other at once have ordinals that do, too.
    step = pl.col("session").diff().dt.total_days().fill_null(1)
    over_weekend = (step == 3) & (pl.col("session").dt.weekday() == 1)
    days = days.with_columns(ordinal=pl.when((step == 1) | over_weekend).then(1).otherwise(2).cum_sum())
    ordered = asked.join(days, on="session").sort(_KEY)
    place = pl.int_range(pl.len()).over("symbol", "bars", "asked_at")
    return (
        ordered.with_columns(run=pl.col("ordinal") - place)
        .group_by("symbol", "bars", "asked_at", "run", maintain_order=True)
        .agg(pl.col("session").first().alias("first"), pl.col("session").last().alias("last"))
        .select(list(RUN_SCHEMA))
    )


def from_runs(runs: pl.DataFrame, *, first: date, last: date) -> pl.DataFrame:
    """Return the newest answers within runs on the days from `first` to `last`; weekends in them are answers, too."""
    narrow = runs.with_columns(
        pl.col("first").clip(lower_bound=pl.lit(first)), pl.col("last").clip(upper_bound=pl.lit(last))
    )
    # The narrower run came later, of two that were asked at the same time.
    narrow = narrow.sort((pl.col("last") - pl.col("first")), descending=True, maintain_order=True)
    single = pl.col("first") == pl.col("last")
    one = narrow.filter(single).rename({"first": "session"}).select(list(ASKED_SCHEMA))
    many = narrow.filter(~single).with_columns(session=pl.date_ranges("first", "last")).explode("session")
    return newest_asked(pl.concat([many.select(list(ASKED_SCHEMA)), one]))
