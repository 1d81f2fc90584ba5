"""Work on a chunk hears of a stop soon, in any thread, and is not stopped before it has settled anything."""

import asyncio
import contextlib
import time
from collections.abc import Callable

import pytest

from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.run import heartbeat, worker
from kaboom.jobs.engine.run.worker import Run, go_on, perform
from kaboom.jobs.model import Tally
from kaboom.jobs.redis.store import BEAT_S, Beat, Lease
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from tests.fixtures.jobs.job_runs import in_ledger, in_store, messages, submit
from tests.fixtures.jobs.jobs import make_job, ref_of
from tests.fixtures.workers.handlers import SCRIPT

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("scripted")]
OK = OutcomeReport((SymbolOutcome("7203", Outcome.OK, rows=1),))


async def run_first(parts: Parts) -> tuple[str, str]:
    """Run the first chunk of a job; return the job's id, and what became of the chunk."""
    job = await submit(parts)
    (plan,) = messages(parts)
    await perform(parts, plan)
    return job.job_id, await asyncio.wait_for(perform(parts, messages(parts)[0]), 20)


async def test_work_that_reports_nothing_hears_of_a_cancel_long_before_the_next_beat(parts: Parts) -> None:
    heard: list[float] = []

    async def handle(run: Run) -> Tally:
        begun_at = time.monotonic()
        await Jobs(parts).cancel(await in_store(parts, make_job(job_id=run.claim.lease.ref.job_id)))

        def poll(should_stop: Callable[[], bool]) -> None:
            while not should_stop():
                time.sleep(0.005)
            heard.append(time.monotonic() - begun_at)

        async def work(
            *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: Callable[[], bool]
        ) -> OutcomeReport:
            await asyncio.to_thread(poll, should_stop)
            return OutcomeReport()

        return await go_on(run, work, stops_at_once=True)

    SCRIPT["chunk"] = handle
    job_id, word = await run_first(parts)
    assert word == "cancelled"
    assert heard[0] < BEAT_S / 2
    assert (await in_ledger(parts, make_job(job_id=job_id))).done == 0


@pytest.mark.parametrize("stops_at_once", [False, True])
async def test_only_work_that_stops_at_once_looks_for_a_cancel_without_progress(
    parts: Parts, monkeypatch: pytest.MonkeyPatch, *, stops_at_once: bool
) -> None:
    monkeypatch.setattr(heartbeat, "_REPORT_S", 0.001)
    monkeypatch.setattr(heartbeat, "_LOOK_S", 0.001)
    beat, beats = parts.store.beat, asyncio.Event()

    async def note(lease: Lease, tally: Tally) -> Beat:
        beats.set()
        return await beat(lease, tally)

    monkeypatch.setattr(parts.store, "beat", note)
    seen: list[bool] = []

    async def work(**_: object) -> OutcomeReport:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(beats.wait(), 10 if stops_at_once else 0.05)
        seen.append(beats.is_set())
        return OK

    SCRIPT["chunk"] = lambda run: go_on(run, work, stops_at_once=stops_at_once)
    await run_first(parts)
    assert seen == [stops_at_once]


async def test_work_that_runs_long_stops_once_it_has_settled_an_item(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker, "LONGEST_RUN_S", 0.0)
    seen: list[bool] = []

    async def work(
        *, start: int, on_progress: Callable[[OutcomeReport], None], should_stop: Callable[[], bool]
    ) -> OutcomeReport:
        on_progress(OutcomeReport())
        await asyncio.sleep(0.3)
        seen.append(should_stop())
        on_progress(OK)
        async with asyncio.timeout(10):
            while not should_stop():  # noqa: ASYNC110  it is a flag
                await asyncio.sleep(0.01)
        seen.append(should_stop())
        return OK

    SCRIPT["chunk"] = lambda run: go_on(run, work)
    _, word = await run_first(parts)
    assert (word, seen) == ("paused", [False, True])


async def test_work_of_a_job_that_was_cancelled_before_is_not_begun(parts: Parts) -> None:
    async def work(**_: object) -> OutcomeReport:
        raise AssertionError("it was begun")

    async def handle(run: Run) -> Tally:
        run.keeper.is_cancelled = True
        return await go_on(run, work)

    SCRIPT["chunk"] = handle
    job = await submit(parts)
    (plan,) = messages(parts)
    await perform(parts, plan)
    assert await perform(parts, ref_of(job, messages(parts)[0].n)) == "cancelled"
