"""The one event loop of a worker process, and how a task that is cut off lets go."""

import asyncio
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

import pytest

from kaboom.jobs.engine.run.worker import Run, perform
from kaboom.jobs.model import Tally
from kaboom.jobs.redis.store import Claim
from kaboom.worker import loop as module
from kaboom.worker.loop import ProcessLoop, process_loop
from tests.fixtures.jobs.job_runs import messages, submit
from tests.fixtures.jobs.jobs import advance, make_chunk, ref_of
from tests.fixtures.workers.handlers import SCRIPT, planning


@pytest.fixture
def loop(monkeypatch: pytest.MonkeyPatch) -> Iterator[ProcessLoop]:
    """A worker's loop on memory twins."""
    monkeypatch.setenv("DISABLE_CELERY", "true")
    monkeypatch.setenv("DISABLE_REDIS", "true")
    made = ProcessLoop("test")
    yield made
    made.stop()


@pytest.fixture
def _exit_on_signal() -> Iterator[None]:
    """Raise SystemExit in the main thread on SIGUSR1, as Celery's cold shutdown does in a task's body."""

    def leave(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(0)

    before = signal.signal(signal.SIGUSR1, leave)
    yield
    signal.signal(signal.SIGUSR1, before)


def interrupt_main() -> None:
    ident = threading.main_thread().ident
    assert ident is not None
    signal.pthread_kill(ident, signal.SIGUSR1)


def test_it_runs_work_in_a_thread_of_its_own(loop: ProcessLoop) -> None:
    async def where() -> str:
        return threading.current_thread().name

    assert loop.run(where()) == "test-loop"
    assert loop.pid == os.getpid()


def test_an_error_comes_to_the_caller_and_the_loop_goes_on(loop: ProcessLoop) -> None:
    async def fail() -> None:
        raise LookupError("boom")

    async def answer() -> int:
        return 42

    with pytest.raises(LookupError, match="boom"):
        loop.run(fail())
    assert loop.run(answer()) == 42


def test_a_process_has_one_loop_and_a_forked_child_its_own(loop: ProcessLoop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_current", None)
    first = process_loop("test")
    assert process_loop("test") is first
    # A child inherits the loop of its parent, whose thread it lacks.
    monkeypatch.setattr(first, "pid", loop.pid + 1)
    second = process_loop("test")
    assert process_loop("test") is second is not first
    for made in (first, second):
        made.stop()


@pytest.mark.usefixtures("scripted", "_exit_on_signal")
def test_a_cold_shutdown_hands_the_chunk_back_uncounted(loop: ProcessLoop) -> None:
    async def hang(run: Run) -> Tally:
        run.report(advance(run.chunk, ["ok"]))
        interrupt_main()
        await asyncio.Event().wait()
        raise AssertionError

    SCRIPT.update(plan=planning([make_chunk(0)]), chunk=hang)
    job = loop.run(submit(loop.parts))
    assert loop.run(perform(loop.parts, messages(loop.parts)[0])) == "planned"
    (ref,) = messages(loop.parts)
    with pytest.raises(SystemExit):
        loop.run(perform(loop.parts, ref))
    assert loop.run(loop.parts.store.take_retries(ref.queue)) == [ref] == [ref_of(job, 0)]
    claim = loop.run(loop.parts.store.claim(ref, owner="other"))
    assert isinstance(claim, Claim)
    assert (claim.chunk.attempts, claim.chunk.tally.cursor) == (1, 1)
