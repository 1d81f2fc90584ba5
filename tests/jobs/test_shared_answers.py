"""The same question at the same time is answered once, and never with what was before it was asked."""

import asyncio
from functools import partial

import pytest

from kaboom.jobs.shared_answers import Sharing

pytestmark = pytest.mark.anyio


async def test_a_question_is_answered_once_for_all_who_ask_and_another_apart() -> None:
    sharing: Sharing[str] = Sharing()
    asked: list[str] = []

    async def find(name: str) -> str:
        asked.append(name)
        await asyncio.sleep(0)
        return name.upper()

    questions = ["a", "a", "b", "a"]
    answers = await asyncio.gather(*(sharing.ask(name, partial(find, name)) for name in questions))
    assert answers == ["A", "A", "B", "A"]
    assert sorted(asked) == ["a", "b"]


async def test_who_asks_while_it_is_answered_gets_a_newer_answer() -> None:
    sharing: Sharing[int] = Sharing()
    state, began, go_on = 1, asyncio.Event(), asyncio.Event()

    async def find() -> int:
        found = state
        began.set()
        await go_on.wait()
        return found

    early = asyncio.create_task(sharing.ask("state", find))
    await began.wait()
    state = 2
    late = asyncio.create_task(sharing.ask("state", find))
    await asyncio.sleep(0)
    go_on.set()
    assert (await early, await late) == (1, 2)


async def test_questions_of_the_past_are_not_kept() -> None:
    sharing: Sharing[int] = Sharing()

    async def find() -> int:
        return 1

    for n in range(50):
        await sharing.ask(n, find)
    await asyncio.sleep(0)
    await sharing.ask("last", find)
    assert len(sharing._groups) <= 1
