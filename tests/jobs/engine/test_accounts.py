"""Whatever happens to its chunks: a job's state, counts, `error`, failures and log line say the same."""

import asyncio
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kaboom.errors import ProviderError, StoreError
from kaboom.jobs.api.view import FailureListing, page_failures, view_job
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.reaper import Reaper
from kaboom.jobs.engine.run.worker import Run, add_report, perform
from kaboom.jobs.model import PLAN, Chunk, Job, JobStatus, Tally
from kaboom.jobs.postgres.memory import MemoryJobHistory
from kaboom.jobs.redis.memory import MemoryJobStore
from kaboom.jobs.redis.store import ChunkRef, Claim
from kaboom.market.outcome import Outcome, OutcomeReport, SymbolOutcome
from kaboom.settings import load_settings
from kaboom.telemetry.logs import configure_logging, tap_lines
from tests.fixtures.jobs.job_runs import in_ledger, in_store, messages, submit
from tests.fixtures.jobs.job_stores import bench_of
from tests.fixtures.jobs.jobs import make_chunk, ref_of
from tests.fixtures.jobs.memory_parts import memory_parts
from tests.fixtures.workers.handlers import SCRIPT, planning

pytestmark = pytest.mark.usefixtures("scripted")
#: What may happen at an attempt, after some items: a word, or an exception of the handler.
EVENTS: dict[str, Exception | None] = {
    "finish": None,
    "forget items": None,
    "the process dies": None,
    "Redis loses all": None,
    "a passing error": ProviderError("no answer in time", retryable=True),
    "a lasting error": StoreError("bar file: Not a directory", retryable=False),
    "a bug": KeyError("bars"),
    "a store is away": StoreError("bar file full"),
}
OUTCOMES = st.lists(st.sampled_from(Outcome), min_size=4, max_size=4)
ATTEMPTS = st.lists(st.tuples(st.sampled_from(sorted(EVENTS)), st.integers(0, 3)), max_size=5)


@dataclass
class Story:
    """What happens to a job: of each chunk its items' outcomes and its attempts; after them it finishes."""

    outcomes: list[list[Outcome]]
    attempts: list[list[tuple[str, int]]]
    cancel_after: int | None
    parts: Parts
    logged: list[dict[str, Any]] = field(default_factory=list)

    async def tell(self) -> Job:
        """Run the job to its end and return it."""
        chunks = [make_chunk(n, 4) for n in range(len(self.outcomes))]
        SCRIPT.update(plan=planning(chunks), chunk=self.handle)
        job = await submit(self.parts)
        self._history._jobs[job.job_id] = replace(job, requested_at=datetime(2026, 1, 1, tzinfo=UTC))
        for n in range(100):
            if n == self.cancel_after and not (await in_store(self.parts, job)).status.is_final:
                await Jobs(self.parts).cancel(await in_store(self.parts, job))
            for ref in messages(self.parts):
                await self._take(ref)
            await self._pass_time(job, chunks)
            if (await in_ledger(self.parts, job)).status.is_final:
                return await in_ledger(self.parts, job)
        raise AssertionError("the job did not end")

    async def handle(self, run: Run) -> Tally:
        event, items = self._next_event(run.chunk.n)
        if event == "finish":
            return self._advance(run.chunk, 4)
        if event == "forget items":
            return self._advance(run.chunk, items)
        run.report(self._advance(run.chunk, items))
        error = EVENTS[event]
        assert error
        raise error

    async def _take(self, ref: ChunkRef) -> None:
        """Perform a message; at some events its process, or Redis, does not live to see the end."""
        attempts = self.attempts[int(ref.n)] if ref.n != PLAN else []
        if not attempts or EVENTS[attempts[0][0]] or "items" in attempts[0][0] or attempts[0][0] == "finish":
            await perform(self.parts, ref)
            return
        event, items = attempts.pop(0)
        if event == "Redis loses all":
            messages(self.parts)
            self.parts = replace(self.parts, store=MemoryJobStore())
            return
        claim = await self.parts.store.claim(ref, owner="doomed")
        if isinstance(claim, Claim):
            await self.parts.store.beat(claim.lease, self._advance(claim.chunk, items))
            await bench_of(self.parts.store).lapse(ref)

    async def _pass_time(self, job: Job, chunks: list[Chunk]) -> None:
        for n in (PLAN, *(chunk.n for chunk in chunks)):
            if await self.parts.store.load_chunk(ref_of(job, n)):
                await bench_of(self.parts.store).make_due(ref_of(job, n))
        await Reaper(self.parts).sweep()

    def _next_event(self, n: str) -> tuple[str, int]:
        return self.attempts[int(n)].pop(0) if self.attempts[int(n)] else ("finish", 4)

    def _advance(self, chunk: Chunk, items: int) -> Tally:
        base = chunk.tally
        wanted = list(zip(chunk.items, self.outcomes[int(chunk.n)], strict=True))[base.cursor : base.cursor + items]
        found = [SymbolOutcome(item, o, message="" if o.is_fine else f"{o} said so") for item, o in wanted]
        return add_report(base, OutcomeReport(tuple(found)))

    @property
    def _history(self) -> MemoryJobHistory:
        assert isinstance(self.parts.history, MemoryJobHistory)
        return self.parts.history


def make_parts() -> Parts:
    return memory_parts(load_settings(bar_store="memory", provider="synthetic"))


@pytest.fixture(scope="module", autouse=True)
def _logging() -> None:
    configure_logging(log_format="json", level="critical")


@given(
    outcomes=st.lists(OUTCOMES, min_size=1, max_size=3),
    attempts=st.lists(ATTEMPTS, min_size=3, max_size=3),
    cancel_after=st.none() | st.integers(0, 6),
)
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_state_counts_error_failures_and_log_agree(
    outcomes: list[list[Outcome]], attempts: list[list[tuple[str, int]]], cancel_after: int | None
) -> None:
    story = Story(outcomes, [list(each) for each in attempts], cancel_after, make_parts())
    end = tap_lines(lambda line: story.logged.append(dict(line)))
    try:
        asyncio.run(run_and_check(story))
    finally:
        end()


async def run_and_check(story: Story) -> None:
    job = await story.tell()
    (live,) = await story.parts.store.load(job.queue, [job.job_id])
    from_redis = await Jobs(story.parts).load_chunks(job)
    # Redis may have lost all after the end.
    if live is not None:
        assert (live.error, live.status, live.outcomes) == (job.error, job.status, job.outcomes)
        assert_agree(live, from_redis)
    assert_line(job, [line for line in story.logged if line["event"] == "job_finished"], from_redis)
    await story.parts.store.forget(job.queue, job.job_id)
    from_ledger = await Jobs(story.parts).load_chunks(job)
    assert page_failures(from_ledger, EVERY) == page_failures(from_redis, EVERY)
    assert_agree(job, from_ledger)


EVERY = FailureListing(limit=1000)


def assert_agree(job: Job, chunks: list[Chunk]) -> None:
    """Check what callers see of a final job."""
    view, failures = view_job(job, workers=[]), page_failures(chunks, EVERY)
    progress = view.progress
    assert progress.done + progress.failed + progress.cancelled == progress.total == sum(len(c.items) for c in chunks)
    assert sum(job.outcomes.values()) == progress.done + progress.failed
    assert progress.failed == failures.total == len(failures.items)
    assert all(failure.message for failure in failures.items)
    assert (view.error is not None) == (view.status in {JobStatus.PARTIAL, JobStatus.FAILED})
    if view.status is JobStatus.COMPLETED:
        assert progress.done == progress.total
    if progress.failed and view.error:
        head = f"{progress.failed} of {progress.total} items failed; first cause: "
        assert view.error["type"] == "items_failed"
        cause = view.error["message"].removeprefix(head)
        assert cause != view.error["message"]
        assert any(failure.message in cause for failure in failures.items)


def assert_line(job: Job, lines: list[dict[str, Any]], chunks: list[Chunk]) -> None:
    """Check the one line about the end of a job."""
    (line,) = lines
    is_bad = job.status in {JobStatus.PARTIAL, JobStatus.FAILED}
    assert line["level"] == ("error" if is_bad else "info")
    assert ("error" in line) == is_bad
    given_up = [f for f in page_failures(chunks, EVERY).items if f.message.startswith("given up after ")]
    counts = {name: getattr(job, name) for name in ("total", "done", "failed", "cancelled")}
    assert {name: line[name] for name in counts} == counts
    assert line["lost"] == len(given_up)
