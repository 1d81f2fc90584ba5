"""Repair after crashes: expired leases, lost messages, jobs that are missing from one of the stores."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import batched

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import KaboomError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.settle import keep_given_up, settle_job, settle_or_leave, show_ledgers_word
from kaboom.jobs.model import PLAN, Chunk, ChunkState, Job, JobStatus
from kaboom.jobs.postgres.port import ENDED_PAGE, UNFINISHED_PAGE, Unfinished
from kaboom.jobs.redis.celery_results import FAILURE_EXPIRES_S, lifetime_s
from kaboom.jobs.redis.store import BEAT_S, LEASE_S, ChunkRef
from kaboom.telemetry.metrics import CHUNKS_SENT_AGAIN, DEAD_LETTERS, JOBS_RESTORED, LEASES_EXPIRED, count

SWEEP_S = 1.0
RECONCILE_S = 5.0
#: While messages wait in a queue, an unclaimed chunk is behind them and not lost: sending it again would multiply
#: the backlog. After this time it is sent again anyway.
_PATIENCE_S = 600.0
#: After a longer outage of Redis, or a time in which this process itself did not run (a closed laptop, a blocked event
#: loop), leases have expired because workers could not renew them. For the grace period no lease is expired: the
#: workers renew theirs within a beat, and an expired lease would count as an attempt.
_MOST_AWAY_S, _GRACE_S = LEASE_S - 2 * BEAT_S, BEAT_S + 1.0
#: Jobs repaired concurrently: as many as a worker's main process has connections to the ledger.
_AT_ONCE = 4
#: Jobs looked up one by one in each round; usually the few that are too young to be listed.
_MOST_GHOSTS = 50

_log = structlog.get_logger(__name__)


@dataclass
class _Round:
    """A round through the unfinished jobs of a queue: its position, and the jobs seen so far."""

    place: tuple[datetime, str] | None = None
    known: set[str] = field(default_factory=set)


async def _keep_all() -> None:
    """Drop nothing."""


class Reaper:
    """Sweeps the queues. Every step is idempotent, so several processes may sweep at once."""

    def __init__(self, parts: Parts, *, prune: Callable[[], Awaitable[None]] = _keep_all) -> None:
        """Take the parts, and a step that drops old rows of the ledger."""
        self._parts = parts
        self._prune = prune
        self._reconciled_at = -RECONCILE_S
        self._is_lost = False
        self._away_since: float | None = None
        self._rests_since: float | None = None
        self._spares_until = 0.0
        self._rounds: dict[str, _Round] = {}

    async def run(self) -> None:
        """Sweep until cancelled, also through an outage of a store.

        There are two loops, so that a hanging ledger does not delay the repairs that need Redis alone.
        """
        await asyncio.gather(_repeat(self._sweep_store), _repeat(self._sweep_ledger))

    async def sweep(self) -> None:
        """Sweep once."""
        await self._sweep_store()
        await self._sweep_ledger()

    async def _sweep_store(self) -> None:
        now = asyncio.get_running_loop().time
        if self._rests_since is not None and now() - self._rests_since > SWEEP_S + _MOST_AWAY_S:
            self._spares_until = now() + _GRACE_S
        try:
            await self._sweep_queues()
        finally:
            self._rests_since = now()

    async def _sweep_queues(self) -> None:
        now = asyncio.get_running_loop().time
        asked_at = now()
        try:
            is_lost = await self._parts.store.renew_epoch()
        except KaboomError:
            self._away_since = self._away_since or asked_at
            raise
        if self._away_since and now() - self._away_since > _MOST_AWAY_S:
            self._spares_until = now() + _GRACE_S
        self._away_since = None
        if is_lost:
            self._is_lost, self._rounds = True, {}
        await _for_each(await self._parts.store.list_open(self._parts.catalog.queues), self._sweep_queue)

    async def _sweep_queue(self, queue: str) -> None:
        if asyncio.get_running_loop().time() >= self._spares_until:
            await self._expire(queue)
        await self._send_retries(queue)
        await self._send_again(queue)

    async def _sweep_ledger(self) -> None:
        """Compare the ledger with Redis: completely after a loss of Redis, otherwise in parts every few seconds."""
        is_whole, now = self._is_lost, asyncio.get_running_loop().time
        if not is_whole and now() - self._reconciled_at < RECONCILE_S:
            return
        self._is_lost, self._reconciled_at = False, now()
        try:
            await _for_each(self._parts.catalog.queues, partial(self._reconcile, is_whole=is_whole))
            await self._parts.history.tidy()
        except KaboomError:
            self._is_lost = self._is_lost or is_whole
            raise
        await self._prune()
        await restore_results(self._parts)

    def _task_of(self, queue: str) -> str:
        """Any task of the queue: the worker reads the job's record to learn what to run."""
        return self._parts.catalog.of(queue)[0].name

    async def _expire(self, queue: str) -> None:
        for expired in await self._parts.store.expire(queue):
            ref = expired.ref
            count(LEASES_EXPIRED, ref.queue)
            count(DEAD_LETTERS, ref.queue, by=expired.verdict == ChunkState.DEAD)
            found = {"verdict": expired.verdict, "seen": expired.seen}
            _log.warning("lease_expired", job_id=ref.job_id, queue=ref.queue, chunk=ref.n, **found)
            if expired.verdict == ChunkState.DEAD:
                await keep_given_up(self._parts, ref)
            await settle_or_leave(self._parts, ref.queue, ref.job_id, is_final=expired.is_final)

    async def _send_retries(self, queue: str) -> None:
        refs = await self._parts.store.take_retries(queue)
        if refs:
            # Ahead of the backlog: a job that has begun does not wait behind jobs that have not. The chunk is sent
            # again until it is claimed, because the worker that takes its message may die too.
            await self._parts.dispatcher.send(self._task_of(queue), refs, ahead=True)

    async def _send_again(self, queue: str) -> None:
        depth = await self._parts.dispatcher.depth(queue)
        refs = await self._parts.store.take_due(queue, older_than_s=_PATIENCE_S if depth else 0.0)
        if refs:
            count(CHUNKS_SENT_AGAIN, queue, by=len(refs))
            _log.info("chunks_sent_again", queue=queue, count=len(refs))
            await self._parts.dispatcher.send(self._task_of(queue), refs)

    async def _reconcile(self, queue: str, *, is_whole: bool) -> None:
        """Compare the ledger's unfinished jobs with Redis: one page of them, or all."""
        while True:
            current = self._rounds.setdefault(queue, _Round())
            page = await self._parts.history.unfinished(queue, older_than_s=RECONCILE_S, after=current.place)
            await self._compare(queue, page)
            current.known |= {job.job_id for job in page}
            if len(page) < UNFINISHED_PAGE:
                await self._forget_ghosts(queue, current.known)
                # The other loop drops all rounds after Redis lost its data.
                self._rounds.pop(queue, None)
                return
            current.place = page[-1].place
            if not is_whole:
                return

    async def _forget_ghosts(self, queue: str, unfinished: set[str]) -> None:
        """Drop jobs from Redis that had ended or were deleted before a failover restored them."""
        store, unsettled = self._parts.store, await self._parts.store.unsettled(queue)
        for job_id in [job_id for job_id in unsettled if job_id not in unfinished][:_MOST_GHOSTS]:
            # Read the ledger first: a job that runs after the ledger has called it final is a ghost.
            kept = await self._parts.history.load(queue, job_id)
            if kept is not None and not kept.status.is_final:
                continue
            live = (await store.load(queue, [job_id]))[0]
            if kept is not None and live is not None and live.status.is_final:
                await settle_job(self._parts, queue, job_id)
            else:
                _log.warning("ghost_forgotten", job_id=job_id, status=live.status if live else None)
                await store.forget(queue, job_id)
                await show_ledgers_word(self._parts, job_id, kept)

    async def _compare(self, queue: str, page: Sequence[Unfinished]) -> None:
        """Finish the jobs that ended, restore the missing ones, and copy cancellations between the stores."""
        statuses = await self._parts.store.statuses(queue, [job.job_id for job in page])
        astray = [
            (job, status)
            for job, status in zip(page, statuses, strict=True)
            if status is None
            or status.is_final
            # The process that cancelled ended between the two writes, or the ledger was unavailable.
            or (JobStatus.CANCELLING in {job.status, status} and status is not job.status)
        ]
        for together in batched(astray, _AT_ONCE):
            await asyncio.gather(*(self._repair(queue, *each) for each in together))

    async def _repair(self, queue: str, job: Unfinished, status: JobStatus | None) -> None:
        if status is None:
            await self._restore(queue, job.job_id)
        elif status.is_final:
            await settle_job(self._parts, queue, job.job_id)
        elif status is JobStatus.CANCELLING:
            await self._parts.history.save_status(job.job_id, status)
        else:
            await self._parts.store.cancel(queue, job.job_id)

    async def _restore(self, queue: str, job_id: str) -> None:
        """Put a job back into Redis from the ledger: ended chunks stay ended, the others are queued again."""
        job = await self._parts.history.load(queue, job_id)
        if job is None or job.status.is_final:
            return
        state = ChunkState.QUEUED if job.plan is None else ChunkState.DONE
        chunks = [Chunk(PLAN, (), {}, state=state)]
        for chunk in await self._parts.history.load_chunks(job.job_id):
            kept = chunk if chunk.state.is_final else Chunk(chunk.n, chunk.items, chunk.payload)
            chunks.append(kept)
        record = replace(job, lost_item=self._parts.catalog.lost_item_of(job))
        is_put = await self._parts.store.put(record, chunks)
        if not is_put and (await self._parts.store.load(queue, [job_id]))[0] is None:
            # Its record is damaged. What the ledger does not know of, runs again.
            await self._parts.store.forget(queue, job_id)
            is_put = await self._parts.store.put(record, chunks)
        if is_put:
            count(JOBS_RESTORED, job.queue)
            _log.warning("job_restored", job_id=job.job_id, queue=job.queue, chunks=len(chunks) - 1)
        if job.status is not JobStatus.CANCELLING:
            refs = [ChunkRef(job.queue, job.job_id, c.n) for c in chunks if not c.state.is_final]
            await self._parts.dispatcher.send(job.task, refs)
        await settle_job(self._parts, job.queue, job.job_id)


async def _repeat(sweep: Callable[[], Awaitable[None]]) -> None:
    while True:
        try:
            await sweep()
        except KaboomError as e:
            _log.warning("sweep_failed", reason=e.message)
        except Exception:  # noqa: BLE001  a bug must not end all repairs
            _log.exception("sweep_crashed")
        await asyncio.sleep(SWEEP_S)


async def _for_each(queues: Sequence[str], work: Callable[[str], Awaitable[None]]) -> None:
    """Do the work for each queue, also after one failed: a queue may have a broker of its own."""
    failed: list[KaboomError] = []
    for queue in queues:
        try:
            await work(queue)
        except KaboomError as e:
            failed.append(e)
    if failed:
        raise failed[0]


async def restore_results(parts: Parts) -> None:
    """Write results again after Redis has lost them: of jobs that ended in the last week, and of running jobs."""
    if not await parts.results.claim_rebuild():
        return
    restored = 0
    for queue in parts.catalog.queues:
        async for job in _ended(parts, queue):
            if not await parts.results.write_end(job):
                # The mark expires, and the rebuild starts again.
                return
            restored += 1
        for unfinished in await parts.history.unfinished(queue, older_than_s=0):
            running = await parts.history.load(queue, unfinished.job_id)
            if running is not None and running.status in {JobStatus.RUNNING, JobStatus.CANCELLING}:
                await parts.results.write_started(running)
    await parts.results.end_rebuild()
    _log.info("celery_results_restored", count=restored)


async def _ended(parts: Parts, queue: str) -> AsyncIterator[Job]:
    since, place = utc_now() - timedelta(seconds=FAILURE_EXPIRES_S), None
    while True:
        page = await parts.history.recent_ends(queue, since=since, after=place)
        for job in page:
            if job.completed_at and utc_now() - job.completed_at < timedelta(seconds=lifetime_s(job)):
                yield job
        if len(page) < ENDED_PAGE:
            return
        last = page[-1]
        place = (last.completed_at or since, last.job_id)
