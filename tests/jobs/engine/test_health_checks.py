"""Recent answers are shared, by question."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from kaboom.jobs.engine.health_checks import KeptAnswers

pytestmark = pytest.mark.anyio


async def test_each_question_is_answered_once_for_all_who_ask() -> None:
    asked: list[str] = []

    def finder(text: str) -> Callable[[], Awaitable[str]]:
        async def find() -> str:
            asked.append(text)
            return text

        return find

    kept = KeptAnswers[str](for_s=60, most=2)
    for _ in range(3):
        found = await asyncio.gather(*(kept.ask(text, finder(text)) for text in ("a", "b")))
        assert found == ["a", "b"]
    assert sorted(asked) == ["a", "b"]
    # A third question makes the one forgotten that was asked longest ago.
    await kept.ask("c", finder("c"))
    await kept.ask("b", finder("b"))
    await kept.ask("a", finder("a"))
    assert asked == ["a", "b", "c", "a"]


async def test_a_question_that_failed_is_asked_again() -> None:
    kept, failing = KeptAnswers[str](for_s=0), [True]

    async def find() -> str:
        if failing.pop() if failing else False:
            raise ValueError("no")
        return "yes"

    with pytest.raises(ValueError, match="no"):
        await kept.ask("a", find)
    assert await kept.ask("a", find) == "yes"
