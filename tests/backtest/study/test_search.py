"""Sweeps whose trials are chosen where earlier ones did well."""

import asyncio
import math
import random
from collections.abc import Mapping
from typing import Any

import polars as pl
import pytest

from kaboom.backtest.request import SweepRequest
from kaboom.backtest.strategies.files import find_strategy
from kaboom.backtest.study.search import choose_trials
from kaboom.backtest.study.sweep_chunks import SweepTools, plan_sweep, run_sweep_chunk
from kaboom.backtest.study.trials import TrialTable, combination, find_trials, join_trials
from kaboom.errors import InvalidRequest
from kaboom.market.outcome import OutcomeReport
from tests.backtest.study.test_study import ASKED, load
from tests.fixtures.backtest.stored import daily_bars

GRID = {"a": list(range(60)), "b": [n / 10 for n in range(50)], "kind": ["x", "y", "z"]}
MANY = ASKED | {"strategy": "mine", "parameters": GRID, "sampler": "tpe", "trials": 120}
CROSS = ASKED | {
    "strategy": "sma_cross",
    "parameters": {"fast": list(range(2, 30)), "slow": list(range(20, 60))},
    "sampler": "tpe",
    "trials": 25,
    "seed": 7,
}


def allow(number: int) -> None:
    """Allow each combination."""


def height(request: SweepRequest, number: int) -> float:
    """Return the height of a hill whose top is at a = 41, b = 1.3, kind y."""
    given: Mapping[str, Any] = combination(request.parameters, number)
    return float(-((given["a"] - 41) ** 2) / 100 - (given["b"] - 1.3) ** 2 - (given["kind"] != "y"))


def climb(request: SweepRequest, drawn: tuple[int, ...]) -> dict[int, float]:
    tried: dict[int, float] = {}
    while len(tried) < len(drawn):
        tried |= {number: height(request, number) for number in choose_trials(request, tried, drawn, allow)}
    return tried


@pytest.mark.parametrize("seed", range(3))
def test_a_search_finds_the_top_that_as_many_draws_miss(seed: int) -> None:
    request = SweepRequest.parse(MANY | {"seed": seed})
    drawn = find_trials(request, lambda _: None)
    searched = climb(request, drawn)
    assert len(searched) == len(drawn) == 120
    values = sorted(searched.values())
    luck = sorted(height(request, number) for number in drawn)
    assert values[-1] > luck[-1]
    # Half of what it tried is near the top.
    assert values[60] > luck[100]


def test_a_round_follows_from_the_seed_and_the_trials_before_it() -> None:
    request = SweepRequest.parse(MANY)
    drawn = find_trials(request, lambda _: None)
    before = dict(list(climb(request, drawn).items())[:50])
    found = choose_trials(request, before, drawn, allow)
    assert found == choose_trials(request, before, drawn, allow)
    assert len(set(found)) == 10
    assert not set(found) & set(before)
    assert found != choose_trials(request.model_copy(update={"seed": 1}), before, drawn, allow)
    assert found != choose_trials(request, {number: -value for number, value in before.items()}, drawn, allow)


def test_trials_without_a_number_are_tried_once_and_teach_nothing() -> None:
    request = SweepRequest.parse(MANY)
    drawn = find_trials(request, lambda _: None)
    lost = dict.fromkeys(drawn[:30], math.nan)
    found = choose_trials(request, lost, drawn, allow)
    assert len(found) == 10
    assert not set(found) & set(lost)


def test_combinations_that_are_not_allowed_are_not_tried() -> None:
    request = SweepRequest.parse(MANY)

    def check(number: int) -> None:
        if combination(request.parameters, number)["kind"] != "z":
            raise InvalidRequest("no")

    drawn = find_trials(request, check_values)
    found = choose_trials(request, {}, drawn, check)
    assert len(found) == 10
    assert {combination(request.parameters, number)["kind"] for number in found} == {"z"}


def check_values(values: Mapping[str, Any]) -> None:
    if values["kind"] != "z":
        raise InvalidRequest("no")


def test_the_last_trials_are_those_that_are_left() -> None:
    """Of 24 combinations 20 are allowed, and all of them are asked for: a search repeats itself, and ends."""
    grid = {"a": list(range(6)), "b": list(range(4))}
    request = SweepRequest.parse(MANY | {"parameters": grid, "trials": 20})

    def check(number: int) -> None:
        if number % 6 == 5:
            raise InvalidRequest("no")

    drawn = tuple(number for number in range(24) if number % 6 != 5)
    tried: dict[int, float] = {}
    while len(tried) < 20:
        found = choose_trials(request, tried, drawn, check)
        assert not set(found) & set(tried)
        tried |= {number: float(number) for number in found}
    assert sorted(tried) == list(drawn)


class Kept:
    """Keeps trials in memory."""

    def __init__(self) -> None:
        self.parts: dict[str, bytes] = {}

    async def keep(self, name: str, content: bytes) -> None:
        self.parts[name] = content

    async def load(self) -> Mapping[str, bytes]:
        # Not in order: a store may return them as it likes.
        return dict(random.Random(1).sample(sorted(self.parts.items()), len(self.parts)))

    def table(self) -> TrialTable:
        return join_trials(self.parts)


def search(
    request: SweepRequest, kept: Kept, *, start: int = 0, stops_after: int = 10**9, frame: pl.DataFrame | None = None
) -> OutcomeReport:
    bars, kind = load(request, frame), find_strategy(request.strategy, None)
    chunk = plan_sweep(bars, kind, request, slots=2).chunks[0]
    seen: list[OutcomeReport] = []
    run = run_sweep_chunk(
        chunk,
        SweepTools(bars, kind, request, kept.keep, kept.load),
        start=start,
        on_progress=seen.append,
        should_stop=lambda: bool(seen) and len(seen[-1].outcomes) >= stops_after,
    )
    return asyncio.run(run)


def test_a_search_is_one_chunk_whose_trials_are_numbered() -> None:
    request = SweepRequest.parse(CROSS)
    plan = plan_sweep(load(request), find_strategy("sma_cross", None), request, slots=4)
    first, last = plan.chunks
    assert first.items[0] == "trial 1"
    assert first.items[-1] == "trial 25"
    assert len(first.numbers) == 25
    assert last.items == ("result",)
    assert plan.facts["trials"] == 25


def test_a_search_that_was_interrupted_goes_on_to_the_same_trials() -> None:
    request = SweepRequest.parse(CROSS)
    calm, broken = Kept(), Kept()
    assert [outcome.symbol for outcome in search(request, calm).outcomes] == [f"trial {n}" for n in range(1, 26)]
    done = len(search(request, broken, stops_after=10).outcomes)
    assert done == 10
    # A round that was saved, and whose outcomes were lost with the worker.
    search(request, broken, start=done, stops_after=10)
    rest = search(request, broken, start=done)
    assert [outcome.symbol for outcome in rest.outcomes] == [f"trial {n}" for n in range(11, 26)]
    assert calm.parts == broken.parts
    table = calm.table()
    assert len(set(table.numbers)) == 25
    found: list[dict[str, Any]] = [combination(request.parameters, n) for n in table.numbers]
    assert all(given["fast"] < given["slow"] for given in found)


def test_a_search_is_by_what_the_sweep_is_ranked_by() -> None:
    by_sharpe, by_return = Kept(), Kept()
    search(SweepRequest.parse(CROSS), by_sharpe)
    search(SweepRequest.parse(CROSS | {"rank_by": "max_drawdown"}), by_return)
    first = min(by_sharpe.parts)
    assert by_sharpe.parts[first] == by_return.parts[first]
    assert by_sharpe.table().numbers != by_return.table().numbers


def test_a_search_does_not_see_the_bars_that_are_held_back() -> None:
    """The prices of the bars of the test are others, and the same trials are chosen; without a test they are not."""
    bars = daily_bars(480)
    cut = bars["opened_at"].unique().sort()[-100]
    factor = pl.when(pl.col("opened_at") < cut).then(1.0).otherwise(1 + 0.3 * (pl.int_range(pl.len()) % 3))
    other = bars.with_columns(pl.col("open", "high", "low", "close") * factor)
    for given, is_equal in (({"out_of_sample": 0.5}, True), ({}, False)):
        request, kept, changed = SweepRequest.parse(CROSS | given), Kept(), Kept()
        search(request, kept, frame=bars)
        search(request, changed, frame=other)
        assert (kept.table().numbers == changed.table().numbers) is is_equal


def test_as_many_trials_as_combinations_are_all_of_them() -> None:
    request = SweepRequest.parse(CROSS | {"parameters": {"fast": [2, 3], "slow": [20, 30]}, "trials": 4})
    plan = plan_sweep(load(request), find_strategy("sma_cross", None), request, slots=1)
    assert [n for part in plan.chunks for n in part.numbers] == [0, 1, 2, 3]
    assert "fast=2" in plan.chunks[0].items[0]


@pytest.mark.parametrize(
    ("given", "pointer", "said"),
    [
        ({"trials": None}, "/trials", "sampler was tpe, which needs trials, of at most 2000"),
        ({"trials": 2001}, "/trials", "sampler was tpe, which needs trials, of at most 2000"),
        ({"folds": 3}, "/sampler", "sampler was tpe beside folds, expected random"),
    ],
)
def test_a_search_has_a_number_of_trials_and_no_folds(given: dict[str, Any], pointer: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as found:
        SweepRequest.parse(CROSS | given)
    assert found.value.pointer == pointer
