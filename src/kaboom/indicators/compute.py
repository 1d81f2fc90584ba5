"""Computing indicators over bars."""

from collections.abc import Sequence
from datetime import datetime

import numpy as np
import polars as pl

from kaboom.indicators.formulas import FORMULAS, BarColumns
from kaboom.indicators.table import Indicator


def compute_indicators(
    bars: pl.DataFrame, indicators: Sequence[Indicator], *, start: datetime | None = None
) -> pl.DataFrame:
    """Return one symbol's bars from `start` on (aware; all by default), with a Float64 column for each output.

    `bars` are of one symbol; averages look back on those before `start`. A row without a value has null, never NaN.
    Periods count rows, not time: a minute without a bar is not a row. The values are those of TA-Lib.
    """
    rows = bars.sort("opened_at")
    wanted = rows if start is None else rows.filter(pl.col("opened_at") >= start)
    looking = [i for i in indicators if not i.spec.is_cumulative]
    counting = [i for i in indicators if i.spec.is_cumulative]
    found = [series[rows.height - wanted.height :] for series in _columns(rows, looking)]
    whole = wanted.with_columns(*found, *_columns(wanted, counting))
    return whole.select(*bars.columns, *(name for i in indicators for name in i.columns))


def _columns(rows: pl.DataFrame, indicators: Sequence[Indicator]) -> list[pl.Series]:
    bars = _as_arrays(rows)
    return [
        pl.Series(name, values, dtype=pl.Float64(), nan_to_null=True)
        for indicator in indicators
        for values, name in zip(FORMULAS[indicator.spec.name](bars, indicator.values), indicator.columns, strict=True)
    ]


def _as_arrays(rows: pl.DataFrame) -> BarColumns:
    columns = {name: rows[name].cast(pl.Float64()).to_numpy() for name in ("high", "low", "close", "volume")}
    session = rows["opened_at"].dt.convert_time_zone("Asia/Tokyo").dt.date().to_physical()
    return columns | {"session": session.to_numpy().astype(np.float64)}
