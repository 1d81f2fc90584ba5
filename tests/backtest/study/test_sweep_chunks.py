"""How a sweep is cut into chunks."""

import pytest

from kaboom.backtest.request import SweepRequest, count_combinations
from kaboom.backtest.strategies.files import find_strategy
from kaboom.backtest.study.sweep_chunks import plan_sweep
from kaboom.errors import InvalidRequest
from tests.backtest.study.test_study import ASKED, load


@pytest.mark.parametrize(
    ("slots", "asked", "sizes"),
    [
        # Four chunks for each slot, so that a slow one holds up little.
        (2, None, [3, 3, 3, 3, 3, 3, 2]),
        (1, None, [5, 5, 5, 5]),
        (100, None, [1] * 20),
        (1, 8, [8, 8, 4]),
    ],
)
def test_a_sweep_has_four_chunks_for_each_slot_or_as_many_as_asked(
    slots: int, asked: int | None, sizes: list[int]
) -> None:
    grid = {"fast": [2, 3, 4, 5], "slow": [20, 21, 22, 23, 24]}
    given = ASKED | {"parameters": grid} | ({} if asked is None else {"chunk_size": asked})
    request = SweepRequest.parse(given)
    plan = plan_sweep(load(request), find_strategy("sma_cross", None), request, slots=slots)
    *parts, last = plan.chunks
    assert [len(part.numbers) for part in parts] == sizes
    assert [n for part in parts for n in part.numbers] == list(range(20))
    assert last.numbers == ()
    assert plan.facts["trials"] == plan.facts["combinations"] == 20


@pytest.mark.parametrize(("more", "most"), [({}, 100_000), ({"trials": 50}, 10_000_000)])
def test_a_sweep_has_so_many_combinations_and_no_more(more: dict[str, int], most: int) -> None:
    choices = {name: list(range(10)) for name in "abcdefg"[: len(str(most)) - 1]}
    asked = ASKED | {"strategy": "mine", **more}
    assert count_combinations(SweepRequest.parse(asked | {"parameters": choices}).parameters) == most
    with pytest.raises(InvalidRequest, match=f"had {most * 11 // 10} combinations, expected at most {most}") as found:
        SweepRequest.parse(asked | {"parameters": choices | {"a": list(range(11))}})
    assert found.value.pointer == "/parameters"
