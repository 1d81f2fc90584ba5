"""Coverage by session, asked in InfluxQL, without reading the bars."""

from datetime import date

import polars as pl

from kaboom.bars.influx.frames import to_rows
from kaboom.bars.influx.ql import day_seconds, select_counts, select_edges, select_flagged
from kaboom.bars.influx.reads import Between
from kaboom.bars.influx.responses import ResultSeries
from kaboom.bars.influx.wire import InfluxWire
from kaboom.bars.store import COVERAGE_SCHEMA
from kaboom.market.bar import BarSeries

#: Sessions in one request, whose text is part of a URL.
_AT_ONCE = 8
_KEY = ["symbol", "session"]
_TIME = COVERAGE_SCHEMA["first_at"]


async def cover_sessions(wire: InfluxWire, bucket: str, series: BarSeries, between: Between) -> pl.DataFrame:
    """Return the coverage of a range of whole days in `COVERAGE_SCHEMA`; a session is a UTC day."""
    counts, flagged = await wire.query(bucket, select_counts(series, between), select_flagged(series, between))
    counted = _to_times(counts, "count", pl.Int64).rename({"count": "bars"}).filter(pl.col("bars") > 0)
    if counted.is_empty():
        return pl.DataFrame(schema=COVERAGE_SCHEMA)
    flags = _to_times(flagged, "flags", pl.UInt16).group_by(_KEY)
    edges = await _read_edges(wire, bucket, series, sorted(counted["session"].unique()))
    return (
        counted.drop("at")
        .join(edges, on=_KEY)
        .join(flags.agg(flagged=pl.len().cast(pl.Int64), flags=pl.col("flags").bitwise_or()), on=_KEY, how="left")
        .with_columns(pl.col("flagged").fill_null(0), pl.col("flags").fill_null(0).cast(pl.UInt16))
        .select(list(COVERAGE_SCHEMA))
        .sort(_KEY)
    )


async def _read_edges(wire: InfluxWire, bucket: str, series: BarSeries, sessions: list[date]) -> pl.DataFrame:
    """Return `first_at` and `last_at` of each symbol and session.

    Session by session, since InfluxQL replaces times by the day when it groups by day.
    """
    firsts, lasts = [], []
    for i in range(0, len(sessions), _AT_ONCE):
        some = sessions[i : i + _AT_ONCE]
        found = await wire.query(bucket, *(s for day in some for s in select_edges(series, day_seconds(day, day))))
        firsts += [_to_times(part, "first", pl.Float64) for part in found[::2]]
        lasts += [_to_times(part, "last", pl.Float64) for part in found[1::2]]
    edges = [pl.concat(frames).select(*_KEY, at) for frames, at in ((firsts, pl.col("at")), (lasts, pl.col("at")))]
    return edges[0].rename({"at": "first_at"}).join(edges[1].rename({"at": "last_at"}), on=_KEY)


def _to_times(found: list[ResultSeries], value: str, dtype: pl.DataType | type[pl.DataType]) -> pl.DataFrame:
    frame = to_rows(found, pl.Schema({"symbol": pl.String(), "time": pl.Int64(), value: dtype}))
    at = pl.col("time").cast(_TIME)
    return frame.select("symbol", at.dt.date().alias("session"), at.alias("at"), value)
