"""The job ledger in memory: it behaves like the PostgreSQL ledger, and is lost when the process ends."""

import statistics
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kaboom.drivers.clock import Clock, utc_now
from kaboom.errors import NotFound
from kaboom.jobs.model import TRANSITIONS, Chunk, Job, JobStatus
from kaboom.jobs.postgres.activity import (
    SHORTEST_WAIT_S,
    Activity,
    ActivityQuery,
    Finished,
    Settled,
    follow_waits,
    sum_up,
)
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery, find_dead_letters
from kaboom.jobs.postgres.events import Event, events_of_end
from kaboom.jobs.postgres.outbox import MemoryOutbox
from kaboom.jobs.postgres.port import (
    ENDED_PAGE,
    KEY_KEPT_H,
    PRUNE_STEP,
    UNFINISHED_PAGE,
    Admission,
    Admitted,
    JobDeleted,
    JobQuery,
    KeyReused,
    LedgerStats,
    Terms,
    Unfinished,
    does_mention,
)
from kaboom.jobs.records import as_stored, chunk_as_stored

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: The chunks of each job, and when each chunk ended.
type ChunkEnds = Mapping[str, tuple[Mapping[str, Chunk], Mapping[str, datetime]]]


def find_activity(query: ActivityQuery, jobs: Iterable[Job], ends: ChunkEnds, now: datetime) -> dict[str, Activity]:
    """Return the activity of each queue."""
    active = [
        job
        for job in jobs
        if (job.queue in query.queues and job.owner == query.owner)
        and (not job.status.is_final or (job.completed_at or _LONG_AGO) >= query.since)
    ]
    finished = [
        Finished(job.queue, query.bin_of(job.completed_at), job.status.value, 1)
        for job in active
        if job.status.is_final and job.completed_at
    ]
    settled = [each for job in active for each in _settled(query, job, ends)]
    waits = [wait for job in active if (wait := _find_wait(job, now))]
    return sum_up(query, settled, finished, follow_waits(query, waits))


def _settled(query: ActivityQuery, job: Job, ends: ChunkEnds) -> Iterator[Settled]:
    """Yield the settled items of a job by time: all at its end if it ran within one step, else chunk by chunk."""
    end, begin = job.completed_at, job.started_at
    if end and (begin is None or end - begin <= query.step):
        yield Settled(job.queue, query.bin_of(end), job.settled, job.failed)
        return
    chunks, ended = ends.get(job.job_id, ({}, {}))
    for n, at in ended.items():
        tally = chunks[n].tally
        yield Settled(job.queue, query.bin_of(at), tally.done + tally.failed, tally.failed)


def _find_wait(job: Job, now: datetime) -> tuple[str, datetime, datetime | None] | None:
    """Return the queue of a job, and when its wait there began and ended (None: it waits); None for a short wait."""
    begin = job.requested_at
    if begin is None:
        return None
    end = None if job.status is JobStatus.QUEUED else (job.started_at or job.completed_at or begin)
    is_long = (end or now) - begin >= timedelta(seconds=SHORTEST_WAIT_S)
    return (job.queue, begin, end) if is_long else None


class MemoryJobHistory:
    """`JobHistory` in memory; `note` receives the events of the end of a job, of which notifications are made."""

    def __init__(
        self, clock: Clock = utc_now, *, note: Callable[[Sequence[Event]], None] = lambda _events: None
    ) -> None:
        self._note = note
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._chunks: dict[str, dict[str, Chunk]] = {}
        self._chunk_ends: defaultdict[str, dict[str, datetime]] = defaultdict(dict)
        self._keys: dict[tuple[str, str], tuple[datetime, str, Job]] = {}
        self._joinable: dict[tuple[str, str], str] = {}
        self._api_keys: dict[str, bytes] = {}
        self.outbox = MemoryOutbox(self._jobs, clock)

    async def admit(self, job: Job, terms: Terms) -> Admission:
        job = replace(job, request=as_stored(job.request))
        if terms.key is not None and (earlier := self._find_key(job, terms, terms.key)):
            return Admission(earlier, Admitted.REPLAYED)
        admission = self._insert(job, terms)
        if admission.how is Admitted.NEW:
            await self.outbox.register(job.job_id, url=terms.callback_url, parent_id=job.parent_id)
        if terms.key is not None and admission.how is Admitted.NEW:
            self._keys[job.owner, terms.key] = (self._clock(), terms.submission, admission.job)
        return admission

    async def confirm_join(self, job: Job, terms: Terms) -> Admission:
        if terms.key is not None:
            if earlier := self._find_key(job, terms, terms.key):
                return Admission(earlier, Admitted.REPLAYED)
            self._keys[job.owner, terms.key] = (self._clock(), terms.submission, job)
        return Admission(job, Admitted.JOINED)

    async def save_plan(
        self,
        job_id: str,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> tuple[Mapping[str, Any], list[Chunk]]:
        plan, chunks = as_stored(plan), [chunk_as_stored(chunk) for chunk in chunks]
        job = self._jobs.get(job_id)
        if job is None:
            raise NotFound(f"job {job_id} is not in the ledger")
        if job.plan is None and job.status.is_final:
            return plan, chunks
        if job.plan is None:
            status = JobStatus.RUNNING if job.status is JobStatus.QUEUED else job.status
            job = replace(job, plan=plan, result=result and as_stored(result), status=status)
            self._jobs[job_id] = job
            self._chunks[job_id] = {chunk.n: chunk for chunk in chunks}
        return job.plan or {}, list(self._chunks[job_id].values())

    async def save_status(self, job_id: str, status: JobStatus) -> None:
        kept = self._jobs.get(job_id)
        if kept and not kept.status.is_final and status in TRANSITIONS[kept.status]:
            self._jobs[job_id] = replace(kept, status=status)

    async def save_chunk(self, job_id: str, chunk: Chunk) -> None:
        kept = self._chunks.get(job_id, {})
        if chunk.n in kept and not kept[chunk.n].state.is_final:
            kept[chunk.n] = chunk_as_stored(chunk)
            self._chunk_ends[job_id][chunk.n] = self._clock()

    async def save_final(self, job: Job, chunks: Sequence[Chunk] = ()) -> Job | None:
        kept = self._jobs.get(job.job_id)
        if kept is None or kept.status.is_final:
            return kept
        if job.plan is None:
            self._chunks.pop(job.job_id, None)
        else:
            self._chunks.get(job.job_id, {}).update({chunk.n: chunk_as_stored(chunk) for chunk in chunks})
            self._chunk_ends[job.job_id] = (
                dict.fromkeys((c.n for c in chunks), self._clock()) | self._chunk_ends[job.job_id]
            )
        plan = None if job.plan is None else kept.plan
        self._jobs[job.job_id] = replace(job, requested_at=kept.requested_at, plan=plan)
        self.outbox.release(job)
        self._note(events_of_end(job, self._clock()))
        return self._jobs[job.job_id]

    async def load(self, queue: str, job_id: str) -> Job | None:
        job = self._jobs.get(job_id)
        return job if job and job.queue == queue else None

    async def load_chunks(self, job_id: str) -> list[Chunk]:
        return list(self._chunks.get(job_id, {}).values())

    async def list_jobs(self, query: JobQuery) -> list[Job]:
        matching = [job for job in self._jobs.values() if _matches(job, query)]
        if query.is_retried is not None:
            retried = {job.parent_id for job in self._jobs.values()}
            matching = [job for job in matching if (job.job_id in retried) is query.is_retried]
        return sorted(matching, key=_age, reverse=True)[: query.limit]

    async def find_end(self, query: JobQuery, *, jobs: int) -> tuple[datetime, str] | None:
        found = await self.list_jobs(replace(query, words=(), limit=jobs))
        return _age(found[-1]) if len(found) == jobs else None

    async def unfinished(
        self, queue: str, *, older_than_s: float, after: tuple[datetime, str] | None = None
    ) -> list[Unfinished]:
        limit = self._clock() - timedelta(seconds=older_than_s)
        jobs = [j for j in self._jobs.values() if j.queue == queue and not j.status.is_final]
        found = [Unfinished(job.job_id, job.status, _age(job)[0]) for job in jobs]
        wanted = [job for job in found if job.requested_at <= limit and (after is None or job.place > after)]
        return sorted(wanted, key=lambda job: job.place)[:UNFINISHED_PAGE]

    async def recent_ends(self, queue: str, *, since: datetime, after: tuple[datetime, str] | None = None) -> list[Job]:
        places = {
            (job.completed_at, job.job_id): job
            for job in self._jobs.values()
            if job.queue == queue and job.completed_at and job.completed_at >= since
        }
        return [places[place] for place in sorted(places) if after is None or place > after][:ENDED_PAGE]

    async def stats(self, queue: str, *, owner: str | None = None) -> LedgerStats:
        now = self._clock()
        jobs = [job for job in self._jobs.values() if job.queue == queue and owner in {None, job.owner}]
        queued = [_age(job)[0] for job in jobs if job.status is JobStatus.QUEUED]
        ended = [job for job in jobs if _ended_within(job, now, minutes=24 * 60)]
        runtimes = [_runtime_s(job) for job in ended]
        judged = [job.status is JobStatus.COMPLETED for job in ended if job.status is not JobStatus.CANCELLED]
        return LedgerStats(
            by_status=Counter(job.status.value for job in jobs),
            oldest_queued_s=(now - min(queued)).total_seconds() if queued else None,
            finished_1m=sum(_ended_within(job, now, minutes=1) for job in ended),
            finished_1h=sum(_ended_within(job, now, minutes=60) for job in ended),
            p50_runtime_s=statistics.median(runtimes) if runtimes else None,
            p95_runtime_s=_p95(runtimes),
            success_rate_24h=statistics.mean(judged) if judged else None,
        )

    async def activity(self, query: ActivityQuery) -> Mapping[str, Activity]:
        ends = {job_id: (self._chunks.get(job_id, {}), at) for job_id, at in self._chunk_ends.items()}
        return find_activity(query, self._jobs.values(), ends, self._clock())

    async def dead_letters(self, query: DeadLetterQuery) -> list[DeadLetter]:
        return find_dead_letters(query, self._jobs, self._chunks, self._chunk_ends)

    async def ended(self, queue: str, tasks: Collection[str], *, since: datetime) -> list[Job]:
        return [
            job
            for job in self._jobs.values()
            if job.queue == queue
            and job.task in tasks
            and job.status in {JobStatus.COMPLETED, JobStatus.PARTIAL}
            and job.completed_at is not None
            and job.completed_at >= since
        ]

    async def load_api_key(self, name: str) -> bytes | None:
        return self._api_keys.get(name)

    async def replace_api_key(self, name: str, old: bytes | None, new: bytes) -> bool:
        if self._api_keys.get(name) != old:
            return False
        self._api_keys[name] = new
        return True

    async def tidy(self) -> None:
        """Do nothing: statistics are computed on demand."""

    async def prune(self, queue: str, *, days: int) -> list[str]:
        limit = self._clock() - timedelta(days=days)
        old = [
            (job.completed_at, job.job_id)
            for job in self._jobs.values()
            if job.queue == queue and job.status.is_final and job.completed_at and job.completed_at < limit
        ]
        pruned = [job_id for _, job_id in sorted(old)[:PRUNE_STEP]]
        for job_id in pruned:
            await self.delete(job_id)
        return pruned

    async def delete(self, job_id: str) -> None:
        self._jobs.pop(job_id, None)
        self._chunks.pop(job_id, None)
        self._chunk_ends.pop(job_id, None)

    async def try_write(self) -> str:
        """Do nothing: memory takes every write."""
        return ""

    def _find_key(self, job: Job, terms: Terms, key: str) -> Job | None:
        since, fingerprint, earlier = self._keys.get((job.owner, key), (_LONG_AGO, "", job))
        if self._clock() - since > timedelta(hours=KEY_KEPT_H):
            return None
        if fingerprint != terms.submission:
            raise KeyReused
        if earlier.job_id not in self._jobs:
            raise JobDeleted(earlier.job_id)
        return self._jobs[earlier.job_id]

    def _insert(self, job: Job, terms: Terms) -> Admission:
        place = (job.owner, terms.fingerprint)
        active = self._jobs.get(self._joinable.get(place, ""))
        if terms.may_join and active and active.status in {JobStatus.QUEUED, JobStatus.RUNNING}:
            return Admission(active, Admitted.JOINED)
        self._jobs[job.job_id] = replace(job, requested_at=self._clock())
        if terms.may_join:
            self._joinable[place] = job.job_id
        return Admission(self._jobs[job.job_id], Admitted.NEW)


def _age(job: Job) -> tuple[datetime, str]:
    return (job.requested_at or datetime.min.replace(tzinfo=UTC), job.job_id)


def _matches(job: Job, query: JobQuery) -> bool:
    return (
        job.queue in query.queues
        and job.owner == query.owner
        and (not query.statuses or job.status in query.statuses)
        and (not query.tasks or job.task in query.tasks)
        and (query.since is None or _age(job)[0] >= query.since)
        and (query.until is None or _age(job)[0] < query.until)
        and query.parent_id in {None, job.parent_id}
        and all(does_mention(job, word) for word in query.words)
        and (query.before is None or _age(job) < query.before)
        and (query.down_to is None or _age(job) >= query.down_to)
    )


def _p95(runtimes: list[float]) -> float | None:
    if len(runtimes) < 2:
        return runtimes[0] if runtimes else None
    return statistics.quantiles(runtimes, n=20, method="inclusive")[-1]


def _runtime_s(job: Job) -> float:
    begin = job.started_at or _age(job)[0]
    return ((job.completed_at or begin) - begin).total_seconds()


def _ended_within(job: Job, now: datetime, *, minutes: int) -> bool:
    return job.completed_at is not None and now - job.completed_at < timedelta(minutes=minutes)
