"""Converting results of queries to frames."""

from collections.abc import Iterable
from typing import Any

import orjson
import polars as pl

from kaboom.bars.influx.layout import FIELDS
from kaboom.bars.influx.responses import ResultSeries
from kaboom.bars.store import QUARANTINE_SCHEMA
from kaboom.market.bar import BAR_SCHEMA, PRICES, VALUES

#: Points of bars as they are read: times in microseconds since 1970, and null if a point lacks the field.
BAR_ROW = pl.Schema({"symbol": pl.String(), "time": pl.Int64(), **dict.fromkeys(FIELDS, pl.Float64())})
#: Points of rejected rows.
QUARANTINE_ROW = pl.Schema({"time": pl.Int64(), "undated": pl.String(), "reason": pl.String(), "row": pl.String()})

_KEY = ["symbol", "opened_at"]
_TIME = BAR_SCHEMA["opened_at"]


def to_rows(found: Iterable[ResultSeries], schema: pl.Schema) -> pl.DataFrame:
    """Return the rows of all series in a schema that names some of their columns; a tag in GROUP BY is a column too."""
    columns: dict[str, list[Any]] = {name: [] for name in schema}
    for series in found:
        values = list(zip(*series.rows, strict=True)) or [()] * len(series.columns)
        by_name = dict(zip(series.columns, values, strict=True))
        for name, column in columns.items():
            column.extend(by_name[name] if name in by_name else [series.tags.get(name)] * len(series.rows))
    return pl.DataFrame([pl.Series(name, columns[name], kind, strict=False) for name, kind in schema.items()])


def to_bars(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows in `BAR_ROW` as sorted bars; rows without a price or the volume are left out."""
    bars = rows.drop_nulls([*VALUES, "symbol"]).select(
        "symbol",
        pl.col("time").cast(_TIME).alias("opened_at"),
        *PRICES,
        pl.col("volume").cast(pl.Int64),
        # Bars written by other programs may have no flags.
        pl.col("flags").fill_null(0).cast(pl.UInt16),
    )
    return bars.unique(_KEY, keep="last").sort(_KEY)


def to_quarantine(found: pl.DataFrame) -> pl.DataFrame:
    """Return rows in `QUARANTINE_ROW` in `QUARANTINE_SCHEMA`, sorted by symbol, then opened_at."""
    rows = [
        (symbol, None if undated == "true" else time, *values[:5], reason, *(values[5:] or (None, None)))
        for time, undated, reason, (symbol, *values) in (
            (time, undated, reason, orjson.loads(row)) for time, undated, reason, row in found.iter_rows()
        )
    ]
    frame = pl.DataFrame(rows, schema={**QUARANTINE_SCHEMA, "opened_at": pl.Int64()}, orient="row")
    return frame.with_columns(pl.col("opened_at").cast(_TIME)).sort("symbol", "opened_at", "reason")
