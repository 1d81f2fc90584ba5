"""Runs side by side: what differs, in the order of a reader's questions; labels, the best of each row, drawdowns."""

import re
from typing import Any

import pytest

from kaboom.backtest.examples import COMPARED
from kaboom.backtest.page.forms import say_size
from kaboom.backtest.report.charts import draw_comparison
from kaboom.backtest.report.comparison import Comparison, find_best, measure_drawdown, name_runs
from kaboom.backtest.report.text import Words, list_parameters, short_parameters

RUNS = [
    {"symbols": ["7203"], "parameters.fast": 5, "model.fees.rate": 0.0005, "strategy": "sma_cross"},
    {"symbols": ["6758", "9984"], "parameters.fast": 9, "model.fees.rate": 0.001, "strategy": "breakout"},
]


def compared(*names: str) -> Comparison:
    """Two runs that differ in some facts."""
    first = COMPARED["items"][0]
    items = [
        first
        | {"job_id": f"{n}" * 32, "strategy": run["strategy"], "parameters": {"side": "long", "slow": 20, "fast": n}}
        for n, run in enumerate(RUNS)
    ]
    differences = [{"name": name, "values": [run.get(name) for run in RUNS]} for name in names]
    return Comparison.model_validate(COMPARED | {"items": items, "differences": differences})


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["symbols", "model.fees.rate"], ["7203 0.05%", "6758 +1 0.10%"]),
        (["parameters.fast"], ["0/20", "20/1"]),
        (["strategy"], ["<sma_cross>", "<breakout>"]),
        (["as_of", "fingerprint"], ["00000000", "11111111"]),
    ],
)
def test_a_run_is_named_by_what_differs(names: list[str], labels: list[str]) -> None:
    assert name_runs(compared(*names), lambda strategy: f"<{strategy}>") == labels


def test_the_first_run_is_drawn_above_the_others() -> None:
    drawn = draw_comparison(Comparison.model_validate(COMPARED), ["one", "two"], Words(("en",)))
    assert re.findall(r'<path class="ln (l\d)"', drawn) == ["l1", "l0"] * 2


@pytest.mark.parametrize(
    ("metric", "values", "best"),
    [
        ("sharpe", [1.0, None, 2.0, 2.0], {2, 3}),
        ("max_drawdown", [-0.3, -0.1], {1}),
        ("volatility", [0.3, 0.1], {1}),
        ("exposure", [0.3, 0.1], set()),
        ("sharpe", [1.0, 1.0], set()),
    ],
)
def test_the_best_of_a_row(metric: str, values: list[float | None], best: set[int]) -> None:
    assert find_best(metric, values) == best


def test_a_drawdown_is_the_distance_from_the_peak_so_far() -> None:
    assert measure_drawdown([None, 100.0, 110.0, 99.0, None, 121.0]) == [None, 0.0, 0.0, pytest.approx(-0.1), None, 0.0]


def test_parameters_are_in_the_order_of_their_strategy() -> None:
    """The ledger keeps them as JSONB, which sorts by length first."""
    kept: dict[str, Any] = {"top": 10, "every": 20, "weight": None, "lookback": 120, "stop_loss": 0.1}
    assert short_parameters("momentum_rank", kept) == "120/20/10"
    assert list_parameters("momentum_rank", kept) == "lookback=120 every=20 top=10 stop_loss=0.1"
    assert short_parameters("my_own", {"b": 1, "a": 2}) == "1/2"


@pytest.mark.parametrize(
    ("values", "size"),
    [
        ({"p_fast": "5:30:5", "p_slow": "20:120:20"}, "36 combinations"),
        ({"p_fast": "5"}, "1 combination"),
        ({"p_fast": "5:30:5", "trials": "4"}, "4 of 6 combinations, drawn at random"),
        ({"p_fast": "5:30:5", "trials": "9"}, "6 combinations"),
        ({"own": "bars = 20,40\nbars = 1"}, ""),
    ],
)
def test_a_sweep_says_how_many_trials_it_will_have(values: dict[str, str], size: str) -> None:
    assert say_size(values, "en") == size
