"""TA-Lib says what the indicators are: the same rows have no value, and all others have the same one."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl
import pytest
import talib
from hypothesis import given, settings
from hypothesis import strategies as st

from batch.indicators.chosen import Indicator
from batch.indicators.compute import compute_indicators
from batch.indicators.table import get_indicator_spec
from tests.fixtures.bars.random_bars import random_bars

type Arrays = Sequence[Any]

#: Of each indicator that TA-Lib has, its own columns in our order.
ORACLE: dict[str, Callable[[dict[str, Any], tuple[float, ...]], Arrays]] = {
    "sma": lambda b, v: [talib.SMA(b["close"], int(v[0]))],
    "ema": lambda b, v: [talib.EMA(b["close"], int(v[0]))],
    "wma": lambda b, v: [talib.WMA(b["close"], int(v[0]))],
    "rsi": lambda b, v: [talib.RSI(b["close"], int(v[0]))],
    "macd": lambda b, v: talib.MACD(b["close"], *(int(x) for x in v)),
    "bbands": lambda b, v: talib.BBANDS(b["close"], int(v[0]), v[1], v[1]),
    "atr": lambda b, v: [talib.ATR(b["high"], b["low"], b["close"], int(v[0]))],
    "stoch": lambda b, v: talib.STOCH(
        b["high"], b["low"], b["close"], fastk_period=int(v[0]), slowk_period=int(v[1]), slowd_period=int(v[2])
    ),
    "adx": lambda b, v: [
        function(b["high"], b["low"], b["close"], int(v[0])) for function in (talib.ADX, talib.PLUS_DI, talib.MINUS_DI)
    ],
    "obv": lambda b, _: [talib.OBV(b["close"], b["volume"])],
    "cci": lambda b, v: [talib.CCI(b["high"], b["low"], b["close"], int(v[0]))],
    "roc": lambda b, v: [talib.ROC(b["close"], int(v[0]))],
    "mfi": lambda b, v: [talib.MFI(b["high"], b["low"], b["close"], b["volume"], int(v[0]))],
}


def compare(bars: pl.DataFrame, name: str, values: tuple[float, ...]) -> None:
    indicator = Indicator(get_indicator_spec(name), values)
    found = compute_indicators(bars, [indicator])
    columns = {c: bars[c].cast(pl.Float64()).to_numpy() for c in ("high", "low", "close", "volume")}
    for column, theirs in zip(indicator.columns, ORACLE[name](columns, values), strict=True):
        ours = found[column].to_numpy()
        assert np.array_equal(found[column].is_null().to_numpy(), np.isnan(theirs)), (column, "has other rows")
        # Differences of prices (a histogram that crosses 0) are as exact as prices are.
        scale = np.nanmax(np.abs(theirs), initial=1.0) * 1e-12
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=scale, err_msg=f"{column} {values}")


@pytest.mark.parametrize("name", ORACLE)
@pytest.mark.parametrize("rows", [1, 2, 27, 33, 34, 400])
def test_an_indicator_is_that_of_talib(name: str, rows: int) -> None:
    compare(random_bars(rows, seed=rows), name, get_indicator_spec(name).defaults)


@pytest.mark.parametrize("name", [name for name in ORACLE if get_indicator_spec(name).parameters])
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_with_any_parameters(name: str, data: st.DataObject) -> None:
    spec = get_indicator_spec(name)
    values = tuple(
        float(data.draw(st.integers(int(p.least), min(int(p.most), 60)), label=p.name))
        if p.is_whole
        else data.draw(st.sampled_from([0.5, 2.0, 2.5]), label=p.name)
        for p in spec.parameters
    )
    if not spec.rule[1](values):
        values = (*sorted(values[:2]), *values[2:])
        values = (values[0], values[1] + 1, *values[2:])
    seed = data.draw(st.integers(0, 2**31), label="seed")
    still = data.draw(st.sampled_from([0.0, 0.2, 0.9]), label="still")
    compare(random_bars(data.draw(st.integers(1, 200), label="rows"), seed, still=still), name, values)
