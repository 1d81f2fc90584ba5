"""Results of queries as frames."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
import polars as pl

from batch.bars.influx_answers import ResultSeries
from batch.bars.influx_layout import FIELDS, PRICES
from batch.bars.store import QUARANTINE_SCHEMA
from batch.market.bar import BAR_SCHEMA, empty_bars

_KEY = ["symbol", "opened_at"]
_TIME = BAR_SCHEMA["opened_at"]


def to_columns(found: Iterable[ResultSeries], names: Sequence[str]) -> dict[str, list[Any]]:
    """Return some columns of all series, one after another; a tag that was grouped by is a column too."""
    columns: dict[str, list[Any]] = {name: [] for name in names}
    for series in found:
        values = list(zip(*series.rows, strict=True)) or [()] * len(series.columns)
        by_name = dict(zip(series.columns, values, strict=True))
        for name, column in columns.items():
            column.extend(by_name[name] if name in by_name else [series.tags.get(name)] * len(series.rows))
    return columns


def to_bars(found: Iterable[ResultSeries]) -> pl.DataFrame:
    """Return bars in `BAR_SCHEMA`, sorted; points that lack a price or the volume are no bars and left out."""
    columns = to_columns(found, ("symbol", "time", *FIELDS))
    if not columns["time"]:
        return empty_bars()
    types = {"symbol": pl.String, "time": pl.Int64, **dict.fromkeys(FIELDS, pl.Float64)}
    frame = pl.DataFrame([pl.Series(n, columns[n], types[n], strict=False) for n in types])
    bars = frame.drop_nulls([*PRICES, "volume", "symbol"]).select(
        "symbol",
        pl.col("time").cast(_TIME).alias("opened_at"),
        *PRICES,
        pl.col("volume").cast(pl.Int64),
        # Written by somebody else, a bar may have none.
        pl.col("flags").fill_null(0).cast(pl.UInt16),
    )
    return bars.unique(_KEY, keep="last").sort(_KEY)


def to_quarantine(found: Iterable[ResultSeries]) -> pl.DataFrame:
    """Return refused rows in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
    columns = to_columns(found, ("time", "undated", "reason", "row"))
    rows = [
        (symbol, None if undated == "true" else time, *values, reason)
        for time, undated, reason, (symbol, *values) in zip(
            columns["time"], columns["undated"], columns["reason"], map(orjson.loads, columns["row"]), strict=True
        )
    ]
    frame = pl.DataFrame(rows, schema={**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}, orient="row")
    return frame.with_columns(pl.col("opened_at").cast(_TIME)).sort("symbol", "opened_at", "reason")
