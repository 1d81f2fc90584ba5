"""What is built on first use is built once, off the loop, and again only where it failed."""

import asyncio
import threading
from collections.abc import Iterator

import pytest

from batch.kit.lazy import Lazy

pytestmark = pytest.mark.anyio


async def test_it_is_built_once_for_all_who_wait_and_not_by_the_loop() -> None:
    threads: list[int] = []

    def build() -> list[int]:
        threads.append(threading.get_ident())
        return threads

    lazy = Lazy(build)
    assert threads == []
    found = await asyncio.gather(*(lazy.get() for _ in range(5)))
    assert all(one is threads for one in found)
    assert len(threads) == 1
    assert threads[0] != threading.get_ident()


async def test_a_failure_is_tried_again() -> None:
    answers: Iterator[Exception | int] = iter([ZeroDivisionError("no"), 7])

    def build() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    lazy = Lazy(build)
    with pytest.raises(ZeroDivisionError):
        await lazy.get()
    assert [await lazy.get(), await lazy.get()] == [7, 7]
