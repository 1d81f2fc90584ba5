"""TA-Lib computes the indicators that the formulas say: the same rows have no value, and all others the same one."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kaboom.indicators.formulas import compute_indicators
from kaboom.indicators.table import Indicator, get_indicator_spec
from tests.fixtures.bars.random_bars import random_bars
from tests.fixtures.indicators.formulas import FORMULAS, BarColumns


def compare(bars: pl.DataFrame, name: str, values: tuple[float, ...]) -> None:
    indicator = Indicator(get_indicator_spec(name), values)
    found = compute_indicators(bars, [indicator])
    for column, expected in zip(indicator.columns, FORMULAS[name](BarColumns.of(bars), values), strict=True):
        actual = found[column].to_numpy()
        assert np.array_equal(found[column].is_null().to_numpy(), np.isnan(expected)), (column, "has other rows")
        # Differences of prices (a histogram that crosses 0) are as exact as prices are.
        scale = np.nanmax(np.abs(expected), initial=1.0) * 1e-12
        np.testing.assert_allclose(actual, expected, rtol=1e-9, atol=scale, err_msg=f"{column} {values}")


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize("rows", [1, 2, 27, 33, 34, 400])
def test_an_indicator_is_its_formula(name: str, rows: int) -> None:
    compare(random_bars(rows, seed=rows), name, get_indicator_spec(name).defaults)


@pytest.mark.parametrize("name", [name for name in FORMULAS if get_indicator_spec(name).parameters])
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
