"""Handing parts to a thread that writes them."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Iterator

import pytest

from kaboom.drivers.handover import hand_over
from kaboom.drivers.stop import Stopped

pytestmark = pytest.mark.anyio


class Parts:
    """Numbers that are read one by one; says how many were, and whether the reader was closed."""

    def __init__(self, count: int, *, fails: bool = False) -> None:
        self.count, self.fails, self.read, self.is_closed = count, fails, 0, False

    async def all(self) -> AsyncGenerator[int]:
        try:
            while self.read < self.count:
                self.read += 1
                yield self.read
            if self.fails:
                raise OSError("the disk is gone")
        finally:
            self.is_closed = True


async def test_the_thread_gets_all_parts_and_its_answer_is_returned() -> None:
    assert await hand_over(Parts(100).all(), list) == list(range(1, 101))
    assert await hand_over(Parts(0).all(), list) == []


async def test_few_parts_are_read_ahead() -> None:
    parts, may_take = Parts(100), threading.Event()

    def write(numbers: Iterator[int]) -> int:
        assert may_take.wait(10)
        return sum(numbers)

    writing = asyncio.create_task(hand_over(parts.all(), write))
    for _ in range(50):
        await asyncio.sleep(0)
    assert parts.read == 3
    may_take.set()
    assert await writing == 5050


async def test_a_thread_that_fails_ends_the_reading() -> None:
    parts = Parts(100)

    def fail(numbers: Iterator[int]) -> None:
        next(numbers)
        raise OSError("the disk is full")

    with pytest.raises(OSError, match="disk is full"):
        await hand_over(parts.all(), fail)
    assert parts.read < 10
    assert parts.is_closed


@pytest.mark.parametrize("is_cancelled", [False, True])
async def test_parts_that_end_too_early_are_no_whole_for_the_thread(*, is_cancelled: bool) -> None:
    seen: list[object] = []
    begun = threading.Event()

    def write(numbers: Iterator[int]) -> None:
        try:
            for number in numbers:
                seen.append(number)
                begun.set()
        except Stopped as e:
            seen.append(e)
            raise

    async def read() -> AsyncGenerator[int]:
        yield 1
        if is_cancelled:
            await asyncio.Event().wait()
        raise OSError("the disk is gone")

    task = asyncio.create_task(hand_over(read(), write))
    if is_cancelled:
        assert await asyncio.to_thread(begun.wait, 10)
        task.cancel()
    with pytest.raises(asyncio.CancelledError if is_cancelled else OSError):
        await task
    assert seen[0] == 1
    assert isinstance(seen[-1], Stopped)


async def test_a_cancel_while_the_thread_finishes_waits_for_it() -> None:
    has_all, may_end, ended = threading.Event(), threading.Event(), threading.Event()

    def write(numbers: Iterator[int]) -> None:
        list(numbers)
        has_all.set()
        assert may_end.wait(10)
        ended.set()

    task = asyncio.create_task(hand_over(Parts(1).all(), write))
    assert await asyncio.to_thread(has_all.wait, 10)
    task.cancel()
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()
