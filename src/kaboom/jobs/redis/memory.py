"""Live job state in this process, with the behaviour of the Redis store; for DISABLE_REDIS and tests."""

import itertools
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kaboom.drivers.clock import Clock, utc_now
from kaboom.jobs.model import PLAN, Chunk, ChunkState, Job, JobStatus, Tally, describe_given_up
from kaboom.jobs.records import as_stored, chunk_as_stored, tally_as_stored
from kaboom.jobs.redis.memory_records import (
    MemoryEventLog,
    Record,
    Slot,
    account,
    begin_run,
    cancelled,
    end_run,
    fail_job,
    find_refusal,
    finish_if_settled,
    note_pause,
    recount,
    restart_rate,
    touch,
)
from kaboom.jobs.redis.store import (
    DISPATCH_S,
    LEASE_S,
    LOST_S,
    MAX_ATTEMPTS,
    NEWEST_KEPT,
    RESEND_S,
    RETRY_S,
    WORKER_S,
    Beat,
    ChunkRef,
    Claim,
    Ended,
    Ending,
    Expired,
    InMemory,
    Lapse,
    Lease,
    Refusal,
    Report,
    Seen,
    judge_lapse,
)
from kaboom.jobs.redis.workers import RunningChunk, Worker, WorkerFacts
from kaboom.jobs.runs import EXPIRED, split_slot

_STALE = Ended(is_accepted=False)


class MemoryJobStore(InMemory):
    """`JobStore` in memory. Each method runs without an `await`, so on one event loop it is atomic.

    `clock` is used for all times, leases included, like the server's clock in Redis.
    """

    def __init__(
        self,
        *,
        lease_s: float = LEASE_S,
        dispatch_s: float = DISPATCH_S,
        retry_s: float = RETRY_S,
        clock: Clock = utc_now,
    ) -> None:
        self._clock = clock
        self._lease_s = lease_s
        self._dispatch_s = dispatch_s
        self._retry_s = retry_s
        self._records: dict[tuple[str, str], Record] = {}
        self._newest: dict[str, list[str]] = defaultdict(list)
        self._fences = itertools.count(1)
        self._workers: dict[str, Worker] = {}
        self._facts: dict[str, WorkerFacts] = {}
        self._unsettled: dict[tuple[str, str], None] = {}
        self._epoch = False
        self.events = MemoryEventLog(clock)

    async def put(self, job: Job, chunks: Sequence[Chunk]) -> bool:
        key, newest = (job.queue, job.job_id), self._newest[job.queue]
        plan = None if job.plan is None else as_stored(job.plan)
        job, chunks = replace(job, request=as_stored(job.request), plan=plan), [chunk_as_stored(c) for c in chunks]
        if key in self._records:
            return False
        is_cancelled = job.status is JobStatus.CANCELLING
        record = self._records[key] = Record(
            replace(job, updated_at=self._clock(), version=1), self.events, self._clock, is_cancelled=is_cancelled
        )
        self._unsettled[key] = None
        self.events.append(job.queue, job.job_id, "status", job.status.value)
        newest[:] = [job.job_id, *(known for known in newest if known != job.job_id)][:NEWEST_KEPT]
        self._add_chunks(record, chunks)
        return True

    async def claim(self, ref: ChunkRef, *, owner: str) -> Claim | Refusal:
        record = self._records.get((ref.queue, ref.job_id))
        if record is None:
            return Refusal.GONE
        slot = record.slots.get(ref.n)
        if slot is None:
            return Refusal.STOP if record.job.status.is_final else Refusal.GONE
        if refusal := find_refusal(record, slot):
            return refusal
        slot.chunk = replace(slot.chunk, state=ChunkState.RUNNING, attempts=slot.chunk.attempts + 1)
        slot.retry_at = None
        slot.owner, slot.fence = owner, f"{next(self._fences)}:{owner}"
        slot.lease_ends = self._now_s() + self._lease_s
        begin_run(slot, self._clock())
        restart_rate(record)
        job = record.job
        status = JobStatus.RUNNING if job.status is JobStatus.QUEUED else job.status
        touch(record, status=status, started_at=job.started_at or self._clock())
        job = record.job
        lease = Lease(ref, slot.fence)
        return Claim(
            lease, slot.chunk, task=job.task, owner=job.owner, request=job.request, plan=job.plan, waits=slot.waits
        )

    async def beat(self, lease: Lease, tally: Tally) -> Beat:
        found, tally = self._mine(lease), tally_as_stored(tally)
        if found is None:
            return Beat.LOST
        record, slot = found
        slot.lease_ends = self._now_s() + self._lease_s
        account(slot, tally)
        recount(record)
        return Beat.CANCEL if record.is_cancelled else Beat.OK

    async def set_plan(
        self,
        lease: Lease,
        plan: Mapping[str, Any],
        chunks: Sequence[Chunk],
        *,
        result: Mapping[str, Any] | None = None,
    ) -> Ended:
        plan, chunks = as_stored(plan), [chunk_as_stored(chunk) for chunk in chunks]
        found = self._mine(lease)
        if found is None:
            return self._repeated(lease, ChunkState.DONE)
        record, slot = found
        slot.chunk = replace(slot.chunk, state=ChunkState.DONE)
        end_run(slot, Ending.DONE, self._clock())
        touch(record, plan=plan, result=result and as_stored(result))
        self._add_chunks(record, chunks)
        return Ended(is_accepted=True, is_final=record.job.status.is_final)

    async def end(self, lease: Lease, ending: Ending, tally: Tally, *, error: str = "", pause_s: float = 0.0) -> Ended:
        found, tally = self._mine(lease), tally_as_stored(tally)
        if found is None:
            return self._repeated(lease, ChunkState.DEAD if ending is Ending.FAILED else ending)
        record, slot = found
        account(slot, tally)
        if ending is Ending.CANCELLED and not record.is_cancelled:
            # A failover lost the cancellation that the worker had read: the reaper will repeat it.
            ending = Ending.RELEASED
        is_handed_back = ending in {Ending.RELEASED, Ending.WAITING}
        if ending in {Ending.BROKEN, Ending.FAILED}:
            delay_s = max(self._retry_s * slot.chunk.attempts, pause_s)
            most = 0 if ending is Ending.FAILED else MAX_ATTEMPTS
            slot.raised = error
            self._settle_broken(record, slot, delay_s=delay_s, most=most)
        elif is_handed_back and record.is_cancelled:
            ending = Ending.CANCELLED
            slot.chunk = cancelled(slot.chunk)
        elif is_handed_back:
            slot.chunk = replace(slot.chunk, state=ChunkState.QUEUED, attempts=slot.chunk.attempts - 1)
            slot.retry_at = self._now_s() + pause_s
            slot.waits += ending is Ending.WAITING
        else:
            slot.chunk = replace(slot.chunk, state=ChunkState(ending.value))
        pause_s = pause_s if slot.chunk.state is ChunkState.QUEUED else 0.0
        if pause_s > 1.0:
            # A chunk that waits for others of its job tries again each second: the job is not paused.
            note_pause(record, pause_s, error)
        end_run(slot, ending, self._clock(), reason=error, pause_s=pause_s)
        finish_if_settled(record)
        return _ended(record, slot)

    async def fail(self, lease: Lease, error: Mapping[str, Any]) -> Ended:
        found, error = self._mine(lease), as_stored(error)
        if found is None:
            return self._repeated(lease, ChunkState.DEAD)
        record, slot = found
        slot.chunk = replace(slot.chunk, state=ChunkState.DEAD)
        end_run(slot, Ending.FAILED, self._clock())
        fail_job(record, error)
        return Ended(is_accepted=True, is_dead=True, is_final=True)

    async def cancel(self, queue: str, job_id: str) -> Job | None:
        record = self._records.get((queue, job_id))
        if record is None:
            return None
        if record.job.status.is_final:
            return record.job
        record.is_cancelled = True
        for slot in record.slots.values():
            if slot.chunk.state is ChunkState.QUEUED:
                slot.chunk = cancelled(slot.chunk)
        touch(record, status=JobStatus.CANCELLING)
        finish_if_settled(record)
        return record.job

    async def list_open(self, queues: Sequence[str]) -> list[str]:
        return [queue for queue in queues if any(not s.chunk.state.is_final for *_, s in self._slots(queue))]

    async def expire(self, queue: str) -> list[Expired]:
        now, expired = self._now_s(), []
        for job_id, n, record, slot in self._slots(queue):
            if slot.chunk.state is ChunkState.RUNNING and slot.lease_ends < now and (seen := self._judge(slot)):
                slot.lapses = (*slot.lapses, Lapse(slot.fence, slot.owner, seen))
                end_run(slot, EXPIRED, self._clock(), reason=seen)
                self._settle_broken(record, slot, delay_s=0.0)
                finish_if_settled(record)
                ref, is_final = ChunkRef(queue, job_id, n), record.job.status.is_final
                expired.append(Expired(ref, slot.chunk.state.value, is_final=is_final, seen=seen))
        return expired

    def _judge(self, slot: Slot) -> Seen | None:
        name = split_slot(slot.owner)[0]
        worker, facts = self._workers.get(name), self._facts.get(name)
        report = Report(self._silent_s(worker), facts.pids) if worker and facts else None
        return judge_lapse(slot.owner, self._now_s() - slot.lease_ends + self._lease_s, report)

    async def take_retries(self, queue: str) -> list[ChunkRef]:
        now, found = self._now_s(), []
        for job_id, n, _, slot in self._slots(queue):
            is_queued = slot.chunk.state is ChunkState.QUEUED
            if is_queued and slot.retry_at is not None and slot.retry_at <= now:
                slot.retry_at = now + RESEND_S
                found.append(ChunkRef(queue, job_id, n))
        return found

    async def take_due(self, queue: str, *, older_than_s: float = 0.0) -> list[ChunkRef]:
        now, due = self._now_s(), []
        for job_id, n, _, slot in self._slots(queue):
            is_waiting = slot.chunk.state is ChunkState.QUEUED and slot.retry_at is None
            if is_waiting and slot.due_at <= now - older_than_s:
                slot.due_at = now + self._dispatch_s
                due.append(ChunkRef(queue, job_id, n))
        return due

    async def load(self, queue: str, job_ids: Sequence[str]) -> list[Job | None]:
        records = (self._records.get((queue, job_id)) for job_id in job_ids)
        return [record.job if record else None for record in records]

    async def statuses(self, queue: str, job_ids: Sequence[str]) -> list[JobStatus | None]:
        return [job.status if job else None for job in await self.load(queue, job_ids)]

    async def load_chunks(self, queue: str, job_id: str) -> list[Chunk]:
        record = self._records.get((queue, job_id))
        return [slot.chunk for n, slot in record.slots.items() if n != PLAN] if record else []

    async def load_chunk(self, ref: ChunkRef) -> Chunk | None:
        found = self._find(ref)
        return found[1].chunk if found else None

    async def newest(self, queue: str) -> list[str]:
        return list(self._newest[queue])

    async def forget(self, queue: str, job_id: str) -> None:
        self.events.forget(queue, job_id)
        self._unsettled.pop((queue, job_id), None)
        if self._records.pop((queue, job_id), None):
            self._newest[queue] = [known for known in self._newest[queue] if known != job_id]

    async def unsettled(self, queue: str) -> list[str]:
        return [job_id for owner_queue, job_id in self._unsettled if owner_queue == queue][:1000]

    async def mark_settled(self, job: Job) -> bool:
        key = (job.queue, job.job_id)
        live = self._records.get(key)
        is_same_end = (
            live is not None and live.job.completed_at is not None and live.job.completed_at == job.completed_at
        )
        if not is_same_end or key not in self._unsettled:
            return False
        del self._unsettled[key]
        return True

    async def report_worker(
        self, name: str, slots: int, release: str | None = None, *, facts: WorkerFacts | None = None
    ) -> None:
        self._workers[name] = Worker(name, self._clock(), slots, release)
        if facts:
            self._facts[name] = facts

    async def forget_worker(self, name: str, slots: int, release: str | None = None) -> None:
        self._workers.pop(name, None)
        self._facts.pop(name, None)

    async def workers(self) -> list[Worker]:
        return [w for w in self._workers.values() if self._silent_s(w) <= WORKER_S]

    async def list_lost(self) -> list[Worker]:
        return [w for w in self._workers.values() if WORKER_S < self._silent_s(w) <= LOST_S]

    async def load_facts(self, names: Sequence[str]) -> Mapping[str, WorkerFacts]:
        return {name: self._facts[name] for name in names if name in self._facts}

    async def load_running(self, queue: str) -> list[RunningChunk]:
        return [
            RunningChunk(queue, job_id, n, record.job.owner, slot.owner, slot.chunk.runs[-1].started_at)
            for job_id, n, record, slot in self._slots(queue)
            if slot.chunk.state is ChunkState.RUNNING
        ]

    async def running(self, queue: str) -> int:
        return sum(slot.chunk.state is ChunkState.RUNNING for *_, slot in self._slots(queue))

    async def renew_epoch(self) -> bool:
        was_missing, self._epoch = not self._epoch, True
        return was_missing

    async def ping(self, *, fresh_s: float = 0.0) -> None:
        pass

    def _now_s(self) -> float:
        return self._clock().timestamp()

    def _silent_s(self, worker: Worker) -> float:
        return (self._clock() - worker.seen_at).total_seconds()

    def _add_chunks(self, record: Record, chunks: Sequence[Chunk]) -> None:
        due_at = self._now_s() + self._dispatch_s
        if record.is_cancelled:
            chunks = [chunk if chunk.state.is_final else cancelled(chunk) for chunk in chunks]
        record.slots |= {chunk.n: Slot(chunk, due_at=due_at) for chunk in chunks}
        finish_if_settled(record)

    def _slots(self, queue: str) -> list[tuple[str, str, Record, Slot]]:
        return [
            (job_id, n, record, slot)
            for (owner_queue, job_id), record in self._records.items()
            if owner_queue == queue
            for n, slot in record.slots.items()
        ]

    def _find(self, ref: ChunkRef) -> tuple[Record, Slot] | None:
        record = self._records.get((ref.queue, ref.job_id))
        return (record, record.slots[ref.n]) if record and ref.n in record.slots else None

    def _mine(self, lease: Lease) -> tuple[Record, Slot] | None:
        """Return the chunk that runs under exactly this claim; a claim that was taken back gets its attempt back."""
        found = self._find(lease.ref)
        if found is None or (found[1].chunk.state is ChunkState.RUNNING and found[1].fence == lease.fence):
            return found
        found[1].give_back(lease.fence)
        return None

    def _repeated(self, lease: Lease, ending: Ending | ChunkState) -> Ended:
        """Return the same answer to a repeated call whose first answer was lost: this claim has ended this way."""
        found = self._find(lease.ref)
        if found is None or (found[1].fence, found[1].chunk.state.value) != (lease.fence, ending.value):
            return _STALE
        return _ended(*found)

    def _settle_broken(self, record: Record, slot: Slot, *, delay_s: float, most: int = MAX_ATTEMPTS) -> None:
        if record.is_cancelled:
            slot.chunk = cancelled(slot.chunk)
        elif slot.chunk.attempts < most:
            slot.chunk = replace(slot.chunk, state=ChunkState.QUEUED)
            slot.retry_at = self._now_s() + delay_s
        else:
            error = describe_given_up(slot.chunk.attempts, slot.cause())
            slot.chunk = replace(slot.chunk, state=ChunkState.DEAD, error=error)
            if slot.chunk.n == PLAN:
                fail_job(record, {"type": "plan_failed", "message": slot.cause()})


def _ended(record: Record, slot: Slot) -> Ended:
    is_dead, is_final = slot.chunk.state is ChunkState.DEAD, record.job.status.is_final
    return Ended(is_accepted=True, is_dead=is_dead, is_final=is_final, runs=slot.chunk.runs)
