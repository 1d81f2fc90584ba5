"""With the broker of one queue away, what is done for the other queues goes on."""

from dataclasses import replace

import pytest

from app.tasks.catalog import ONE_PER_QUEUE, Queue
from app.tasks.dispatch import LocalDispatcher
from app.tasks.gauges import read_gauges
from app.tasks.parts import Parts
from app.tasks.reaper import Reaper
from app.telemetry.metrics import QUEUE_DEPTH
from batch.errors import StoreError

pytestmark = pytest.mark.anyio

#: The queue that is swept first.
AWAY = ONE_PER_QUEUE[0].queue


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
    dispatcher = Halved()
    with pytest.raises(StoreError):
        await Reaper(replace(parts, dispatcher=dispatcher)).sweep()
    assert len(ONE_PER_QUEUE) > 1
    assert dispatcher.asked == [spec.queue for spec in ONE_PER_QUEUE]


async def test_the_other_queues_have_their_gauges(parts: Parts) -> None:
    readings = await read_gauges(replace(parts, dispatcher=Halved()))
    shown = {reading.labels[0] for reading in readings if reading.metric is QUEUE_DEPTH}
    assert shown == set(Queue) - {AWAY}
