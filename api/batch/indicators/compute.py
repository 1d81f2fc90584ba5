"""Computing indicators over bars."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import polars as pl

from batch.indicators import averages, momentum, ranges, volumes
from batch.indicators.chosen import Indicator
from batch.indicators.columns import BarColumns
from batch.indicators.smoothing import Floats, column
from batch.indicators.table import Values

#: Name of an indicator → the function that returns its columns, with NaN for rows without a value.
FORMULAS: Mapping[str, Callable[[BarColumns, Values], list[Floats]]] = MappingProxyType(
    {
        formula.__name__: formula
        for formula in (
            averages.sma,
            averages.ema,
            averages.wma,
            averages.macd,
            averages.bbands,
            momentum.rsi,
            momentum.stoch,
            momentum.cci,
            momentum.roc,
            momentum.mfi,
            ranges.atr,
            ranges.adx,
            volumes.obv,
            volumes.vwap,
        )
    }
)


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
    bars = BarColumns.of(rows)
    return [
        column(values).alias(name)
        for indicator in indicators
        for values, name in zip(FORMULAS[indicator.spec.name](bars, indicator.values), indicator.columns, strict=True)
    ]
