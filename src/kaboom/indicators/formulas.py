"""The formulas of the indicators, and their columns over bars. Most are TA-Lib's, which no other module imports."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import numpy as np
import polars as pl
import talib
from numpy.typing import NDArray

from kaboom.indicators.table import Indicator, Values

type Floats = NDArray[np.float64]
#: Float64 columns of one symbol's bars by name, oldest first; `session` is the number of the day in Japan.
type BarColumns = Mapping[str, Floats]


def _vwap(bars: BarColumns) -> Floats:
    """Return the volume-weighted mean of typical prices since the session's first bar; NaN before the first trade."""
    typical = (bars["high"] + bars["low"] + bars["close"]) / 3
    sums = pl.DataFrame({"day": bars["session"], "paid": typical * bars["volume"], "traded": bars["volume"]})
    paid, traded = (sums.select(pl.col(name).cum_sum().over("day"))[name].to_numpy() for name in ("paid", "traded"))
    return np.where(traded > 0, paid / np.maximum(traded, 1), np.nan)


def _of_close(function: Callable[..., Floats]) -> Callable[[BarColumns, Values], Sequence[Floats]]:
    return lambda bars, v: [function(bars["close"], int(v[0]))]


def _of_range(*functions: Callable[..., Floats]) -> Callable[[BarColumns, Values], Sequence[Floats]]:
    return lambda bars, v: [f(bars["high"], bars["low"], bars["close"], int(v[0])) for f in functions]


def _macd(bars: BarColumns, v: Values) -> Sequence[Floats]:
    fast, slow, signal = map(int, v)
    return talib.MACD(bars["close"], fast, slow, signal)


def _stoch(bars: BarColumns, v: Values) -> Sequence[Floats]:
    fast_k, slow_k, slow_d = map(int, v)
    prices = (bars["high"], bars["low"], bars["close"])
    return talib.STOCH(*prices, fastk_period=fast_k, slowk_period=slow_k, slowd_period=slow_d)


#: Name of an indicator → the function that returns its columns, with NaN for rows without a value.
FORMULAS: Mapping[str, Callable[[BarColumns, Values], Sequence[Floats]]] = MappingProxyType(
    {
        "sma": _of_close(talib.SMA),
        "ema": _of_close(talib.EMA),
        "wma": _of_close(talib.WMA),
        "rsi": _of_close(talib.RSI),
        "roc": _of_close(talib.ROC),
        "macd": _macd,
        "bbands": lambda bars, v: talib.BBANDS(bars["close"], int(v[0]), v[1], v[1]),
        "atr": _of_range(talib.ATR),
        "adx": _of_range(talib.ADX, talib.PLUS_DI, talib.MINUS_DI),
        "cci": _of_range(talib.CCI),
        "stoch": _stoch,
        "obv": lambda bars, _: [talib.OBV(bars["close"], bars["volume"])],
        "mfi": lambda bars, v: [talib.MFI(bars["high"], bars["low"], bars["close"], bars["volume"], int(v[0]))],
        "vwap": lambda bars, _: [_vwap(bars)],
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
