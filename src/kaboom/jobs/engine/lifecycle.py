"""The operations that callers may do on jobs: submit, find, cancel, retry, delete."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import orjson
import structlog

from kaboom.errors import Conflict, NotFound, StoreError
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.engine.settle import complete_dead, settle_job
from kaboom.jobs.job_type import JobType
from kaboom.jobs.model import PLAN, Chunk, Job, JobStatus
from kaboom.jobs.postgres.port import Admission, Admitted, Terms
from kaboom.jobs.redis.store import ChunkRef
from kaboom.telemetry.metrics import JOBS_SUBMITTED, count
from kaboom.telemetry.traces import span

#: A Redis that answered this recently is not pinged again: under load, the writes of jobs replace the pings.
_FRESH_S = 0.05

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Jobs:
    """The jobs of one process's parts."""

    parts: Parts

    async def submit(
        self,
        job_type: JobType,
        request: Mapping[str, Any],
        *,
        owner: str,
        parent: Job | None = None,
        terms: Terms | None = None,
    ) -> Admission:
        """Accept a job: write it to the ledger, then to Redis, then send a message. After that it cannot be lost.

        Without `terms` the submission may join an unfinished job of the same request.

        Raises:
            StoreError: the ledger or Redis is unavailable; nothing was accepted.

        """
        draft = Job(
            job_id=uuid4().hex,
            queue=job_type.queue.value,
            task=job_type.name,
            owner=owner,
            request=request,
            parent_id=parent.job_id if parent else None,
            attempt=parent.attempt + 1 if parent else 1,
        )
        terms = terms or Terms(fingerprint(job_type, request), may_join=True)
        with span("submit", task=job_type.name, job_id=draft.job_id):
            return await self._submit(draft, terms)

    async def _submit(self, draft: Job, terms: Terms) -> Admission:
        # Ping Redis first: if it is unavailable, nothing must be written.
        await self.parts.store.ping(fresh_s=_FRESH_S)
        admission = await self._admit(draft, terms)
        job = admission.job
        count(JOBS_SUBMITTED, job.queue, admission.how.value)
        _log.info(
            "job_submitted",
            job_id=job.job_id,
            queue=job.queue,
            task=job.task,
            how=admission.how.value,
            attempt=job.attempt,
        )
        if admission.how is not Admitted.NEW and (terms.callback_url or draft.parent_id):
            # Only now is it certain which job was joined: a caller gets no callback for a job that had ended before.
            # A replay registers, too: the process of its first submission may have died before this line.
            await self.parts.history.outbox.register(job.job_id, url=terms.callback_url, parent_id=draft.parent_id)
        if admission.how is not Admitted.NEW:
            live = (await self.parts.store.load(job.queue, [job.job_id]))[0]
            return Admission(live or job, admission.how)
        await self.announce(job)
        return admission

    async def has_just_ended(self, job: Job) -> bool:
        """Return whether a job, unfinished in the ledger, has ended or is cancelling in Redis; update the ledger."""
        live = (await self.parts.store.load(job.queue, [job.job_id]))[0]
        if live is not None and live.status is JobStatus.CANCELLING:
            # The job was cancelled while the ledger was unavailable.
            await self.parts.history.save_status(job.job_id, live.status)
            return True
        is_final = live is not None and live.status.is_final
        await settle_job(self.parts, job.queue, job.job_id, is_final=is_final)
        return is_final

    async def announce(self, job: Job) -> None:
        """Send an accepted job to Redis and the workers; if this fails, the reaper repeats it from the ledger."""
        try:
            record = replace(job, lost_item=self.parts.catalog.lost_item_of(job))
            await self.parts.store.put(record, [Chunk(PLAN, (), {})])
            await self.parts.dispatcher.send(job.task, [ChunkRef(job.queue, job.job_id, PLAN)])
        except StoreError as e:
            _log.warning("dispatch_delayed", job_id=job.job_id, queue=job.queue, reason=e.message)

    async def cancel(self, job: Job, *, reason: str | None = None) -> Job:
        """Ask a job to stop; a repeated call changes nothing. The reason goes to the job's log.

        Raises:
            Conflict: the job is final.

        """
        if job.status.is_final:
            raise Conflict(f"job {job.job_id} was {job.status}, expected one that is not final")
        is_kept = await self._keep_stop(job)
        _log.info("cancel_asked", job_id=job.job_id, queue=job.queue, **_say_why(reason))
        stopped = await self.parts.store.cancel(job.queue, job.job_id)
        if stopped is None:
            raise StoreError("the job is being restored to Redis: try again in a few seconds")
        if not stopped.status.is_final or not is_kept:
            return stopped
        await settle_job(self.parts, job.queue, job.job_id)
        # Return the ledger's record: if Redis lost its data in between, the job may end again with another record.
        return await self.parts.history.load(job.queue, job.job_id) or stopped

    async def _keep_stop(self, job: Job) -> bool:
        """Save in the ledger that a job is to stop; return False if it is unavailable: the reaper saves it later.

        The job stops in any case. The cancel is lost only if Redis loses its data before the ledger is available again.
        """
        try:
            await self.parts.history.save_status(job.job_id, JobStatus.CANCELLING)
        except StoreError as e:
            _log.warning("stop_not_kept", job_id=job.job_id, queue=job.queue, reason=e.message)
            return False
        return True

    async def retry(self, job: Job, request: Mapping[str, Any], *, reason: str | None = None) -> Admission:
        """Submit a child of a final job, with a request for the work that is left. The final job's log has the reason.

        Raises:
            Conflict: the job is not final.

        """
        if not job.status.is_final:
            raise Conflict(f"job {job.job_id} was {job.status}: wait for its end, or cancel it first")
        admission = await self.submit(self.parts.catalog.require(job.task), request, owner=job.owner, parent=job)
        as_job = admission.job.job_id
        _log.info("job_retried", job_id=job.job_id, queue=job.queue, as_job=as_job, **_say_why(reason))
        return admission

    async def delete(self, job: Job) -> None:
        """Drop a final job from Redis and the ledger.

        Raises:
            Conflict: the job is not final.

        """
        if not job.status.is_final:
            raise Conflict(f"job {job.job_id} was {job.status}: cancel it before you delete it")
        # Settle the job first: the reaper restores jobs that are not final in the ledger.
        await settle_job(self.parts, job.queue, job.job_id)
        await self.parts.results.forget(job.job_id)
        await self.parts.store.forget(job.queue, job.job_id)
        await self.parts.history.delete(job.job_id)

    async def load_chunks(self, job: Job) -> list[Chunk]:
        """Return a job's chunks from Redis, or from the ledger if Redis does not have them."""
        try:
            live = await self.parts.store.load_chunks(job.queue, job.job_id)
        except StoreError:
            if not job.status.is_final:
                raise
            live = []
        chunks = live or await self.parts.history.load_chunks(job.job_id)
        return [complete_dead(chunk, lost_item=self.parts.catalog.lost_item_of(job)) for chunk in chunks]

    async def find(self, queue: str, job_id: str, *, owner: str) -> Job:
        """Return a job in its present state: from Redis, else from the ledger.

        Raises:
            NotFound: the job does not exist, or belongs to another owner.

        """
        try:
            job = (await self.parts.store.load(queue, [job_id]))[0]
        except StoreError:
            # The ledger has all of a finished job, but not the progress of an unfinished one.
            job = await self.parts.history.load(queue, job_id)
            if job is not None and not job.status.is_final:
                raise
        else:
            job = job or await self.parts.history.load(queue, job_id)
        if job is None or job.owner != owner:
            raise NotFound(f"job {job_id} does not exist in queue {queue}")
        return job

    async def _admit(self, draft: Job, terms: Terms) -> Admission:
        """Admit a job to the ledger; join, and bind the key to, only a job that has not ended."""
        admission = await self.parts.history.admit(draft, terms)
        if admission.how is Admitted.JOINED and await self.has_just_ended(admission.job):
            admission = await self.parts.history.admit(draft, terms)
        if admission.how is Admitted.JOINED:
            return await self.parts.history.confirm_join(admission.job, terms)
        return admission


def _say_why(reason: str | None) -> dict[str, str]:
    return {"reason": reason} if reason else {}


def fingerprint(job_type: JobType, request: Mapping[str, Any]) -> str:
    """Return a hash of a task and its request; the order of the request's keys does not matter."""
    text = orjson.dumps([job_type.name, dict(request)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()
