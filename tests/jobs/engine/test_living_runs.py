"""A run that lives is not taken for lost: while its handler loads, and when its plan has ended."""

import asyncio
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from kaboom.catalog import CATALOG
from kaboom.errors import StoreError
from kaboom.jobs import job_type as loading
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run import heartbeat
from kaboom.jobs.engine.run.worker import Run, perform
from kaboom.jobs.job_type import load_function
from kaboom.jobs.model import JobStatus, Tally
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import Beat, Ended, Lease
from tests.fixtures.jobs.job_runs import in_ledger, messages, submit
from tests.fixtures.jobs.jobs import make_chunk
from tests.fixtures.workers.handlers import SCRIPT, SCRIPTED, planning

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]

#: A module that is loaded once the gate is open, as one that takes long on a busy machine.
GATED = """
import sys
assert sys.modules["_gate"].gate.wait(20), "the event loop did not run while this module was loaded"
from tests.fixtures.workers.handlers import settle_all as chunk
"""


class Listening(MemoryJobStore):
    """A store that tells which answers the heartbeats got."""

    def __init__(self) -> None:
        super().__init__()
        self.gate = threading.Event()
        self.has_lost = asyncio.Event()

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        answer = await super().beat(lease, tally)
        self.gate.set()
        if answer is Beat.LOST:
            self.has_lost.set()
        return answer


@pytest.fixture
def parts(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> Parts:
    """Memory twins with a heartbeat every few milliseconds."""
    monkeypatch.setattr(heartbeat, "_REPORT_S", 0.001)
    monkeypatch.setattr(heartbeat, "BEAT_S", 0.005)
    return replace(parts, store=Listening())


def put_gated(folder: Path, monkeypatch: pytest.MonkeyPatch, gate: threading.Event) -> str:
    """Add a module to the path that waits for the gate; return its name."""
    (folder / "gated_handlers.py").write_text(GATED)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setitem(sys.modules, "_gate", SimpleNamespace(gate=gate))
    monkeypatch.setattr(loading, "_loaded", set(loading._loaded))
    # Taken out again at the end of the test.
    monkeypatch.setitem(sys.modules, "gated_handlers", SimpleNamespace())
    del sys.modules["gated_handlers"]
    return "gated_handlers"


async def test_heartbeats_go_on_while_a_handler_is_loaded(
    parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(parts.store, Listening)
    module = put_gated(tmp_path, monkeypatch, parts.store.gate)
    monkeypatch.setitem(CATALOG._by_name, SCRIPTED.name, replace(SCRIPTED, run_chunk=f"{module}:chunk"))
    SCRIPT["plan"] = planning([make_chunk(0)])
    await submit(parts)
    assert await perform(parts, messages(parts)[0]) == "planned"
    parts.store.gate.clear()
    assert await perform(parts, messages(parts)[0]) == "done"


async def test_a_module_that_another_slot_still_loads_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    module = put_gated(tmp_path, monkeypatch, gate)
    first = asyncio.create_task(load_function(f"{module}:chunk"))
    while module not in sys.modules:  # noqa: ASYNC110  there is no event to wait for
        await asyncio.sleep(0.001)
    second = asyncio.create_task(load_function(f"{module}:chunk"))
    await asyncio.sleep(0)
    gate.set()
    assert await first is await second


async def test_a_heartbeat_after_the_end_of_the_plan_is_no_loss(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    store, save_final = parts.store, parts.history.save_final
    assert isinstance(store, Listening)

    async def save_late(*arguments: Any) -> Any:
        # As on a busy machine: a heartbeat comes between the end in Redis and that in the ledger.
        await asyncio.wait_for(store.has_lost.wait(), 20)
        return await save_final(*arguments)

    monkeypatch.setattr(parts.history, "save_final", save_late)
    SCRIPT["plan"] = planning([])
    job = await submit(parts)
    assert await perform(parts, messages(parts)[0]) == "planned"
    assert (await in_ledger(parts, job)).status is JobStatus.COMPLETED


async def test_a_plan_that_was_not_saved_may_lose_its_lease(parts: Parts, monkeypatch: pytest.MonkeyPatch) -> None:
    store = parts.store
    assert isinstance(store, Listening)

    async def refuse(*_: Any, **__: Any) -> Ended:
        raise StoreError("damaged", retryable=False)

    async def plan(run: Run) -> Tally:
        monkeypatch.setattr(store, "set_plan", refuse)
        with pytest.raises(StoreError):
            await run.fan_out({}, [])
        monkeypatch.setattr(store, "_mine", lambda _lease: None)
        await asyncio.wait_for(asyncio.Event().wait(), 20)
        return run.chunk.tally

    SCRIPT["plan"] = plan
    await submit(parts)
    assert await perform(parts, messages(parts)[0]) == "lost"
