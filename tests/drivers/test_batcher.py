"""Calls made as one: who shares, who waits, and whose failure it is."""

import asyncio
from collections.abc import Sequence
from functools import partial

import pytest

from kaboom.drivers.batcher import CallBatcher, Sharing
from kaboom.errors import Conflict, StoreError

pytestmark = pytest.mark.anyio


class Door:
    """Doubles numbers, once the test opens it; an odd one is refused alone, and 13 breaks it for everyone."""

    def __init__(self, *, is_open: bool = True) -> None:
        self.groups: list[list[int]] = []
        self.entered = asyncio.Event()
        self.open = asyncio.Event()
        if is_open:
            self.open.set()

    async def __call__(self, items: Sequence[int]) -> list[int | Exception]:
        self.groups.append(list(items))
        self.entered.set()
        await self.open.wait()
        if 13 in items:
            raise StoreError("broken")
        return [Conflict(f"{item} was odd") if item % 2 else item * 2 for item in items]


async def test_callers_of_one_moment_share_a_call_and_each_gets_its_own_answer() -> None:
    door = Door()
    group = CallBatcher(door)
    assert await asyncio.gather(*(group.call(n) for n in (2, 4, 6))) == [4, 8, 12]
    assert door.groups == [[2, 4, 6]]
    assert group.is_idle


async def test_who_comes_while_a_call_is_under_way_is_in_the_next_one() -> None:
    door = Door(is_open=False)
    group = CallBatcher(door)
    first = asyncio.create_task(group.call(2))
    await door.entered.wait()
    later = [asyncio.create_task(group.call(n)) for n in (4, 6)]
    await asyncio.sleep(0)
    door.open.set()
    assert await asyncio.gather(first, *later) == [4, 8, 12]
    assert door.groups == [[2], [4, 6]]


async def test_a_group_is_no_larger_than_it_may_be() -> None:
    door = Door()
    group = CallBatcher(door, max_size=2)
    assert await asyncio.gather(*(group.call(n) for n in (2, 4, 6, 8, 10))) == [4, 8, 12, 16, 20]
    assert [len(items) for items in door.groups] == [2, 2, 1]


async def test_one_refusal_is_one_caller_s() -> None:
    door = Door()
    group = CallBatcher(door)
    fine, refused = await asyncio.gather(group.call(2), group.call(3), return_exceptions=True)
    assert fine == 4
    assert isinstance(refused, Conflict)


async def test_a_failed_batch_fails_all_callers_but_not_the_next() -> None:
    door = Door()
    group = CallBatcher(door)
    answers = await asyncio.gather(group.call(2), group.call(13), return_exceptions=True)
    assert [type(answer) for answer in answers] == [StoreError, StoreError]
    assert await group.call(2) == 4


async def test_who_stops_waiting_is_left_out_and_takes_nobody_along() -> None:
    door = Door(is_open=False)
    group = CallBatcher(door)
    tasks = [asyncio.create_task(group.call(2))]
    await door.entered.wait()
    tasks += [asyncio.create_task(group.call(n)) for n in (4, 6)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    tasks[1].cancel()
    door.open.set()
    assert await tasks[2] == 12
    assert door.groups == [[2], [6]]


async def test_a_call_that_is_not_answered_is_cut_off() -> None:
    door = Door(is_open=False)
    group = CallBatcher(door, timeout_s=0.01, server="Redis")
    with pytest.raises(StoreError, match=r"Redis did not answer: no answer came within 0.01 s"):
        await group.call(2)
    door.open.set()
    assert await group.call(4) == 8


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
