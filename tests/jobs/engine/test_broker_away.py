"""With the broker of one queue away, the other queues are swept, and the gauges are gone, which an alert asks for."""

from dataclasses import replace

import pytest

from kaboom.catalog import CATALOG
from kaboom.errors import StoreError
from kaboom.jobs.engine.dispatch import LocalDispatcher
from kaboom.jobs.engine.instruments import read_gauges
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.schedules.overdue import read_overdue
from tests.fixtures.jobs.jobs import make_job, plan_step

pytestmark = pytest.mark.anyio

#: The queue that is swept first.
AWAY = CATALOG.queues[0]


class Halved(LocalDispatcher):
    """Knows the length of every queue but one."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def depth(self, queue: str) -> int:
        self.asked.append(queue)
        if queue == AWAY:
            raise StoreError("Redis did not answer")
        return await super().depth(queue)


async def test_a_sweep_goes_on_to_the_other_queues_and_then_says_what_failed(parts: Parts) -> None:
    open_queues = list(CATALOG.queues[:2])
    for queue in open_queues:
        await parts.store.put(make_job(queue=queue), [plan_step()])
    dispatcher = Halved()
    with pytest.raises(StoreError):
        await Reaper(replace(parts, dispatcher=dispatcher)).sweep()
    assert dispatcher.asked == open_queues


async def test_there_are_no_gauges(parts: Parts) -> None:
    assert await read_gauges(parts, more=read_overdue)
    assert await read_gauges(replace(parts, dispatcher=Halved()), more=read_overdue) == []
