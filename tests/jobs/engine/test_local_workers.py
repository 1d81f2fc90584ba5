"""Workers inside the API process."""

import asyncio

import pytest

from kaboom.drivers.stop import end_tasks
from kaboom.errors import StoreError
from kaboom.jobs.engine.dispatch import LocalDispatcher
from kaboom.jobs.engine.local import local_workers
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.model import Tally
from tests.fixtures.jobs.job_runs import submit
from tests.fixtures.workers.handlers import SCRIPT

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("scripted")
async def test_a_chunk_that_cannot_be_handed_back_ends_the_process(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = asyncio.Event()

    async def wait(_run: Run) -> Tally:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    async def refuse(*_arguments: object, **_options: object) -> None:
        raise StoreError("Redis is away")

    SCRIPT["chunk"] = wait
    monkeypatch.setattr(parts.store, "end", refuse)
    assert isinstance(parts.dispatcher, LocalDispatcher)
    workers = [asyncio.create_task(each) for each in local_workers(parts, parts.dispatcher)]
    await submit(parts)
    await asyncio.wait_for(started.wait(), 5)
    await asyncio.wait_for(end_tasks(workers), 5)


@pytest.mark.usefixtures("scripted")
async def test_slots_are_counted_from_one(parts: Parts) -> None:
    started = asyncio.Event()

    async def wait(_run: Run) -> Tally:
        started.set()
        await asyncio.Event().wait()
        raise AssertionError

    SCRIPT["plan"] = wait
    assert isinstance(parts.dispatcher, LocalDispatcher)
    workers = [asyncio.create_task(each) for each in local_workers(parts, parts.dispatcher)]
    job = await submit(parts)
    await asyncio.wait_for(started.wait(), 5)
    assert [each.worker for each in await parts.store.load_running(job.queue)] == [f"{parts.name}/1"]
    async with asyncio.timeout(5):
        # The first report measures memory in a thread, beside the work.
        while not (reported := await parts.store.workers()):  # noqa: ASYNC110  of a task of this test
            await asyncio.sleep(0.01)
    assert [worker.name for worker in reported] == [parts.name]
    await asyncio.wait_for(end_tasks(workers), 5)
    # It was asked to end: it counts neither as online nor as lost.
    assert (await parts.store.workers(), await parts.store.list_lost()) == ([], [])


async def test_lost_cancel_is_repeated_for_each_worker(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.Event()

    async def lose_cancel(*_arguments: object, **_options: object) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise StoreError("Redis is away") from None

    monkeypatch.setattr(parts.store, "report_worker", lose_cancel)
    assert isinstance(parts.dispatcher, LocalDispatcher)
    workers = [asyncio.create_task(each) for each in local_workers(parts, parts.dispatcher)]
    await asyncio.wait_for(started.wait(), 5)
    await asyncio.wait_for(end_tasks(workers, again_after_s=0.05), 5)
    assert all(worker.cancelled() for worker in workers)
