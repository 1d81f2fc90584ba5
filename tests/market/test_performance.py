"""Performance: the formulas against scipy, empyrical and quantstats on real prices, and the cases at their edges."""

import json
import math
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from kaboom.market import performance

FILE = Path(__file__).parents[1] / "fixtures/market/performance.json"
ANSWERS: dict[str, Any] = json.loads(FILE.read_text())
DAY = date(2025, 1, 6)


def returns_of(name: str) -> list[float]:
    return [now / then - 1 for then, now in pairwise(ANSWERS["closes"][name])]


@pytest.mark.parametrize("pair", ANSWERS["compared"])
def test_measures_against_a_benchmark_are_those_of_empyrical_and_quantstats(pair: str) -> None:
    ours, theirs = map(returns_of, pair.split("/"))
    theirs_say = ANSWERS["compared"][pair]
    found = performance.compare(ours, theirs, 252) | {
        "annual": performance.annual(ours, 252),
        "max_drawdown": min(performance.drawdowns(ours)),
        "quantstats_information_ratio": performance.information_ratio(ours, theirs, 1),
    }
    found["quantstats_max_drawdown"] = found["max_drawdown"]
    assert found == pytest.approx(theirs_say, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("number", range(len(ANSWERS["xirr"])))
def test_the_money_weighted_return_is_the_root_that_scipy_finds(number: int) -> None:
    flows, root = ANSWERS["xirr"][number]
    found = performance.money_weighted([(date.fromisoformat(day), amount) for day, amount in flows])
    assert found == pytest.approx(root, rel=1e-9)


@pytest.mark.parametrize(
    "flows", [[], [(DAY, -1.0)], [(DAY, -1.0), (DAY, 2.0)], [(DAY, -1.0), (date(2026, 1, 6), -2.0)]]
)
def test_flows_without_a_solution_have_no_money_weighted_return(flows: list[tuple[date, float]]) -> None:
    assert math.isnan(performance.money_weighted(flows))


def test_a_deposit_counts_from_the_morning_and_a_withdrawal_until_the_evening() -> None:
    assert performance.time_weighted(100.0, 50.0, 165.0) == pytest.approx(0.10)
    assert performance.time_weighted(100.0, -50.0, 60.0) == pytest.approx(0.10)
    assert performance.time_weighted(0.0, 100.0, 90.0) == pytest.approx(-0.10)
    assert performance.time_weighted(0.0, 0.0, 0.0) == 0


def test_a_benchmark_that_never_moves_has_no_measures() -> None:
    found = performance.compare([0.01, -0.02, 0.0], [0.0, 0.0, 0.0])
    assert {name for name, value in found.items() if math.isnan(value)} == {
        "alpha",
        "beta",
        "up_capture",
        "down_capture",
    }
    assert all(math.isnan(value) for value in performance.compare([], []).values())
