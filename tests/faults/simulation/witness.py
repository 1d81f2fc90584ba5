"""What is seen of every effect, and judged at once: whatever the core believes, this counts for itself."""

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from kaboom.jobs.model import TRANSITIONS, ChunkState, Job, JobStatus
from kaboom.jobs.postgres.port import Admission, Terms
from kaboom.jobs.redis.store import (
    LEASE_S,
    MAX_ATTEMPTS,
    MOST_RETURNS,
    SILENT_S,
    Beat,
    ChunkRef,
    Claim,
    Ended,
    Ending,
    Expired,
    Lease,
    Seen,
)
from kaboom.jobs.runs import find_pid
from tests.fixtures.jobs.job_steps import assert_accounts

if TYPE_CHECKING:
    from tests.faults.simulation.world import World

type Where = tuple[str, str]

#: Longer than any run; and what a clock that counts whole microseconds may be off.
_LONG_S, _TICK_S = 1e9, 1e-5


class Witness:
    """Keeps count of claims and of states; `breaches` says what must never have happened."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._statuses: dict[Where, JobStatus] = {}
        self._keys: dict[str, str] = {}
        self.claims: Counter[ChunkRef] = Counter()
        self.accepted: dict[str, Job] = {}
        self.deleted: set[str] = set()
        self.asked_to_stop: set[str] = set()
        #: Stops that the ledger did not take: Redis alone may have them.
        self.untold_stops: set[str] = set()
        #: Stops that nobody has: Redis lost its memory before the ledger had them.
        self.lost_stops: set[str] = set()
        #: Leases that were taken back and count, and how often a chunk got such an attempt back.
        self._lapsed: set[Lease] = set()
        self._returns: Counter[ChunkRef] = Counter()
        #: When each lease, and the worker, was last heard of.
        self._heard: dict[Lease, float] = {}
        self._reported_at = -_LONG_S
        self.breaches: list[str] = []

    def blame(self, breach: str) -> None:
        """Keep what went wrong."""
        self._world.say(f"BREACH {breach}")
        self.breaches.append(breach)

    def see(self, method: str, args: tuple[Any, ...], answer: Any) -> None:
        """Take note of an effect."""
        look = getattr(self, f"_see_{method}", None)
        if look is not None:
            look(*args, answer)
        job_id = _job_id(args)
        if job_id:
            self._compare("ledger", self._world.history._jobs.get(job_id))
            record = self._world.store._records.get(("ingest", job_id))
            self._compare("redis", record.job if record else None)

    def see_end(self, task: "asyncio.Task[Any]") -> None:
        """Blame a process whose main task ended by an error that nobody caught."""
        if not task.cancelled() and (error := task.exception()) is not None:
            self.blame(f"a process crashed: {type(error).__name__}: {error}")

    def see_client(self, job: Job) -> None:
        """Take note of what a caller was told.

        After a failover it may be a ghost's word, for the seconds until the reaper finds it: what the ledger has
        counts, and nothing else does.
        """
        kept = self._world.history._jobs.get(job.job_id)
        is_kept = kept is not None and kept.status.is_final and kept.status is job.status
        if is_kept or not self._world.was_rolled_back:
            self._compare("caller", job)

    def forget_redis(self, claims: Counter[ChunkRef]) -> None:
        """The Redis is another now, one that knows of these claims: what it said since binds it no more."""
        self._statuses = {where: status for where, status in self._statuses.items() if where[0] == "ledger"}
        self.claims = claims.copy()
        self._heard, self._reported_at = {}, -_LONG_S
        slots = [
            (ChunkRef(*key, n), slot)
            for key, record in self._world.store._records.items()
            for n, slot in record.slots.items()
        ]
        self._lapsed = {Lease(ref, lapse.fence) for ref, slot in slots for lapse in slot.lapses}
        self._returns = Counter({ref: slot.returns for ref, slot in slots})
        self.lost_stops |= {job_id for job_id in self.untold_stops if not self._is_stop_kept(job_id)}

    def _see_admit(self, draft: Job, terms: Terms, admission: Admission) -> None:
        job = admission.job
        self.accepted.setdefault(job.job_id, job)
        if terms.key and self._keys.setdefault(terms.key, job.job_id) != job.job_id:
            self.blame(f"key {terms.key} stands for {self._keys[terms.key]} and for {job.job_id}")

    def _see_claim(self, ref: ChunkRef, answer: object) -> None:
        if isinstance(answer, Claim):
            self.claims[ref] += 1
            self._heard[answer.lease] = self._world.loop.time()
            if answer.chunk.attempts > self.claims[ref]:
                self.blame(
                    f"chunk {ref.n} of {ref.job_id} is at attempt {answer.chunk.attempts}, not {self.claims[ref]}"
                )

    def _see_report_worker(self, _name: str, _slots: int, _answer: None) -> None:
        self._reported_at = self._world.loop.time()

    def _see_beat(self, lease: Lease, _tally: object, answer: Beat) -> None:
        self._heard[lease] = self._world.loop.time()
        if answer is Beat.LOST:
            self._see_return(lease)

    def _see_set_plan(self, lease: Lease, _plan: object, _chunks: object, ended: Ended) -> None:
        if not ended.is_accepted:
            self._see_return(lease)

    def _see_fail(self, lease: Lease, _error: object, ended: Ended) -> None:
        if not ended.is_accepted:
            self._see_return(lease)

    def _see_return(self, lease: Lease) -> None:
        """Count an attempt no more whose process was believed dead and is here again."""
        slot = self._slot(lease.ref)
        if lease in self._lapsed and slot and not slot.chunk.state.is_final and self._returns[lease.ref] < MOST_RETURNS:
            self._lapsed.discard(lease)
            self._returns[lease.ref] += 1
            self.claims[lease.ref] -= 1

    def _slot(self, ref: ChunkRef) -> Any:
        record = self._world.store._records.get((ref.queue, ref.job_id))
        return record.slots.get(ref.n) if record else None

    def _see_end(self, lease: Lease, ending: Ending, _tally: object, ended: Ended) -> None:
        if not ended.is_accepted:
            self._see_return(lease)
        if ending in {Ending.RELEASED, Ending.WAITING} and ended.is_accepted:
            self.claims[lease.ref] -= 1
        if ended.is_dead and ending is not Ending.FAILED:
            self._see_death(lease.ref)

    def _see_expire(self, _queue: str, found: list[Expired]) -> None:
        for expired in found:
            slot = self._slot(expired.ref)
            self._lapsed.add(lease := Lease(expired.ref, slot.fence))
            self._judge_lapse(lease, slot.owner, expired.seen)
            if expired.verdict == ChunkState.DEAD:
                self._see_death(expired.ref)

    def _judge_lapse(self, lease: Lease, owner: str, seen: str) -> None:
        """Blame a lease that was taken from a process that lived, or was heard of a moment ago."""
        if seen == Seen.DIED and find_pid(owner) in self._world.living_pids():
            self.blame(f"{owner} was said to have died, and lives")
        if self._world.is_clock_wrong:
            return
        now = self._world.loop.time()
        silent_s, gone_s = now - self._heard.get(lease, -_LONG_S), now - self._reported_at
        least_s = SILENT_S if seen == Seen.SILENT else LEASE_S
        if silent_s < least_s - _TICK_S or (seen == Seen.GONE and gone_s < LEASE_S - _TICK_S):
            self.blame(
                f"{owner} lost its lease ({seen}) after {silent_s:.1f} s, its worker reported {gone_s:.1f} s ago"
            )

    def _see_death(self, ref: ChunkRef) -> None:
        if self.claims[ref] < MAX_ATTEMPTS:
            self.blame(f"chunk {ref.n} of {ref.job_id} was given up after {self.claims[ref]} attempts")

    def _see_put(self, job: Job, _chunks: object, is_new: object) -> None:
        if is_new is True:
            for ref in [ref for ref in self.claims if ref.job_id == job.job_id]:
                del self.claims[ref]
                self._returns.pop(ref, None)
            self._statuses.pop(("redis", job.job_id), None)

    def _see_save_status(self, job_id: str, status: JobStatus, _answer: None) -> None:
        if status is JobStatus.CANCELLING:
            self.asked_to_stop.add(job_id)

    def see_refused(self, method: str, args: tuple[Any, ...]) -> None:
        """Take note of a call that had no effect."""
        if method == "save_status" and args[1] is JobStatus.CANCELLING:
            self.untold_stops.add(args[0])

    def _see_cancel(self, _queue: str, job_id: str, _answer: object) -> None:
        # A stop goes to Redis after the ledger has it, or after the ledger did not answer.
        if job_id in self.untold_stops:
            self.asked_to_stop.add(job_id)

    def _see_delete(self, job_id: str, _answer: None) -> None:
        self.deleted.add(job_id)

    def _see_forget(self, _queue: str, job_id: str, _answer: None) -> None:
        self._statuses.pop(("redis", job_id), None)

    def _compare(self, where: str, job: Job | None) -> None:
        if job is None:
            return
        place = (where, job.job_id)
        before = self._statuses.get(place, job.status)
        # A caller may see a job that Redis lost start over; an end, or that it was stopped, may not be undone.
        may_start_over = where == "caller" and before in self._may_be_lost(job.job_id)
        # Written down before Redis is told: the job may have ended in between.
        was_too_late = where == "ledger" and before is JobStatus.CANCELLING and job.status.is_final
        is_fine = job.status is before or may_start_over or was_too_late or job.status in _reachable(before)
        if not is_fine:
            self.blame(f"{where}: job {job.job_id} was {before} and is {job.status}")
        self._statuses[place] = job.status
        if where == "redis":
            try:
                assert_accounts(job)
            except AssertionError as e:
                self.blame(f"{where}: job {job.job_id} does not add up: {e or job}")

    def _may_be_lost(self, job_id: str) -> set[JobStatus]:
        lost = {JobStatus.QUEUED, JobStatus.RUNNING}
        return lost | {JobStatus.CANCELLING, JobStatus.CANCELLED} if job_id in self.lost_stops else lost

    def _is_stop_kept(self, job_id: str) -> bool:
        kept = self._world.history._jobs.get(job_id)
        return kept is not None and (kept.status is JobStatus.CANCELLING or kept.status.is_final)


def _reachable(status: JobStatus) -> frozenset[JobStatus]:
    return _REACHABLE[status]


def _close(status: JobStatus) -> frozenset[JobStatus]:
    found = set(TRANSITIONS[status])
    for following in TRANSITIONS[status]:
        found |= _close(following)
    return frozenset(found)


_REACHABLE = {status: _close(status) for status in JobStatus}


def _job_id(args: tuple[Any, ...]) -> str:
    for arg in args:
        match arg:
            case Job(job_id=job_id) | ChunkRef(job_id=job_id) | Lease(ref=ChunkRef(job_id=job_id)):
                return str(job_id)
            case str() if len(arg) == 32:
                return arg
    return ""
