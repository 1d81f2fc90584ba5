"""The measures of a factor: equal to alphalens' on made markets, and the cases at their edges."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from kaboom.backtest.factors.measures import measure_factor
from tests.fixtures.backtest.factor_series import CASES, make_series

ANSWERS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "fixtures/backtest/factors.json").read_text())


def numbers(values: list[float | None]) -> list[float]:
    return [math.nan if value is None else value for value in values]


@pytest.mark.parametrize("name", CASES)
def test_measures_are_those_of_alphalens_and_statsmodels(name: str) -> None:
    _, _, quantiles, horizons, _ = CASES[name]
    answer = ANSWERS["answers"][name]
    factor, closes = make_series(name)
    found = measure_factor(factor, closes, horizons=horizons, quantiles=quantiles)
    assert (found.values, found.sessions) == (answer["values"], answer["sessions"])
    assert (found.tied > 0) is (name == "sessions with tied bounds")
    for ours, theirs in zip(found.horizons, answer["horizons"], strict=True):
        np.testing.assert_allclose(ours.ic[~np.isnan(ours.ic)], theirs["ic"], rtol=1e-9, atol=1e-12)
        for measure in ("returns", "errors", "turnover"):
            expected = numbers(theirs[measure])
            np.testing.assert_allclose(getattr(ours, measure), expected, rtol=1e-9, atol=1e-12, err_msg=measure)
        for measure in ("ic_mean", "ic_deviation", "ic_t", "ic_t_overlap", "autocorrelation"):
            assert getattr(ours, measure) == pytest.approx(theirs[measure], rel=1e-9, abs=1e-12), measure


def test_a_factor_that_knows_the_next_return_has_a_coefficient_of_1() -> None:
    rng = np.random.default_rng(1)
    closes = 1000 * np.exp(np.cumsum(rng.normal(0, 0.01, (40, 25)), axis=0))
    factor = np.full(closes.shape, np.nan)
    factor[:-1] = closes[1:] / closes[:-1] - 1
    (found,) = measure_factor(factor, closes, horizons=(1,), quantiles=5).horizons
    assert found.ic_mean == pytest.approx(1)
    assert found.spread > 0.02
    assert (np.diff(found.returns) > 0).all()


def test_a_factor_without_values_or_with_one_value_has_no_measures() -> None:
    closes = np.full((10, 5), 1000.0)
    empty = measure_factor(np.full(closes.shape, np.nan), closes, horizons=(1,), quantiles=2)
    assert (empty.sessions, empty.tied, empty.values) == (0, 0, 0)
    same = measure_factor(np.ones(closes.shape), closes, horizons=(1,), quantiles=2)
    assert (same.sessions, same.tied) == (0, 9)
    assert math.isnan(same.horizons[0].ic_mean)
