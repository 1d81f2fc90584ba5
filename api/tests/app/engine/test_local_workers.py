"""Workers inside the API process."""

import asyncio

import pytest

from app.engine.dispatch import LocalDispatcher
from app.engine.local import run_local_workers
from app.engine.parts import Parts
from app.engine.run.worker import Run
from app.jobs.model import Tally
from batch.errors import StoreError
from tests.fixtures.jobs.job_runs import submit
from tests.fixtures.workers.handlers import SCRIPT

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("scripted")
async def test_one_that_cannot_hand_its_chunk_back_ends_with_its_process(
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
    workers = asyncio.create_task(run_local_workers(parts, parts.dispatcher))
    await submit(parts)
    await asyncio.wait_for(started.wait(), 5)
    workers.cancel()
    await asyncio.wait([workers], timeout=5)
    assert workers.cancelled()
