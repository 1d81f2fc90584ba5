"""Ending tasks."""

import asyncio

import pytest

from batch.kit.stop import end_tasks

pytestmark = pytest.mark.anyio


async def work(*, loses: int = 0) -> None:
    """Work for ever; cancels are lost to an error as often as asked."""
    while True:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            if not loses:
                raise
            loses -= 1


async def fail() -> None:
    raise ValueError("a bug")


async def test_all_tasks_end_despite_a_lost_cancel_or_a_failure() -> None:
    tasks = [asyncio.create_task(each) for each in (work(), work(loses=2), fail())]
    await asyncio.sleep(0)
    await end_tasks(tasks, again_after_s=0.05)
    assert all(task.done() for task in tasks)
    await end_tasks([])
