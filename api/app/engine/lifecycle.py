"""What callers may do to jobs: submit, find, cancel, retry, delete; the truth is the ledger and the leases."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import orjson
import structlog

from app.engine.parts import Parts
from app.engine.settle import complete_dead, settle_job
from app.jobs.job_type import JobType
from app.jobs.model import PLAN, Chunk, Job, JobStatus
from app.ledger.port import Admission, Admitted, Terms
from app.live.store import ChunkRef
from app.telemetry.metrics import JOBS_SUBMITTED, count
from app.telemetry.traces import span
from batch.errors import Conflict, NotFound, StoreError

#: An answer this young still says that Redis is there: under load, records that are put save every ping.
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
        """Accept a job: ledger, then Redis, then a message. When this returns the job cannot be lost.

        Without `terms` an unfinished job of the same request is joined.

        Raises:
            StoreError: the ledger or Redis is away and nothing was accepted.

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
        # Redis first, by a question: a dead one is known before anything is written.
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
            # Only when the job to join is certain: a caller is not called back for one that had ended before.
            # A replay registers, too: its first submission may have ended before this line.
            await self.parts.history.outbox.register(job.job_id, url=terms.callback_url, parent_id=draft.parent_id)
        if admission.how is not Admitted.NEW:
            live = (await self.parts.store.load(job.queue, [job.job_id]))[0]
            return Admission(live or job, admission.how)
        await self.announce(job)
        return admission

    async def has_just_ended(self, job: Job) -> bool:
        """Return whether an unfinished job of the ledger ended in Redis, or is to stop; the ledger knows it then."""
        live = (await self.parts.store.load(job.queue, [job.job_id]))[0]
        if live is not None and live.status is JobStatus.CANCELLING:
            # It was asked to stop while the ledger was away.
            await self.parts.history.save_status(job.job_id, live.status)
            return True
        is_final = live is not None and live.status.is_final
        await settle_job(self.parts, job.queue, job.job_id, is_final=is_final)
        return is_final

    async def announce(self, job: Job) -> None:
        """Tell Redis and the workers of an accepted job; what fails here, the reaper makes good from the ledger."""
        try:
            record = replace(job, lost_item=self.parts.catalog.get(job.task).lost_item)
            await self.parts.store.put(record, [Chunk(PLAN, (), {})])
            await self.parts.dispatcher.send(job.task, [ChunkRef(job.queue, job.job_id, PLAN)])
        except StoreError as e:
            _log.warning("dispatch_delayed", job_id=job.job_id, queue=job.queue, reason=e.message)

    async def cancel(self, job: Job, *, reason: str | None = None) -> Job:
        """Ask a job to stop; asking twice is the same as once. The job's log has the reason.

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
        # The ledger's word: a Redis that lost everything in between has taken the end with it, and it will end again.
        return await self.parts.history.load(job.queue, job.job_id) or stopped

    async def _keep_stop(self, job: Job) -> bool:
        """Write down that a job is to stop; where the ledger is away Redis alone hears, and the reaper does it later.

        The work stops all the same. Only a Redis that loses its memory before the ledger is back forgets it.
        """
        try:
            await self.parts.history.save_status(job.job_id, JobStatus.CANCELLING)
        except StoreError as e:
            _log.warning("stop_not_kept", job_id=job.job_id, queue=job.queue, reason=e.message)
            return False
        return True

    async def retry(self, job: Job, request: Mapping[str, Any], *, reason: str | None = None) -> Admission:
        """Submit a child of a final job with a request for what is left to do. The log of the final job has the reason.

        Raises:
            Conflict: the job is not final.

        """
        if not job.status.is_final:
            raise Conflict(f"job {job.job_id} was {job.status}: wait for its end, or cancel it first")
        admission = await self.submit(self.parts.catalog.get(job.task), request, owner=job.owner, parent=job)
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
        # A job that the ledger does not know to be final would be restored in between.
        await settle_job(self.parts, job.queue, job.job_id)
        await self.parts.results.forget(job.job_id)
        await self.parts.store.forget(job.queue, job.job_id)
        await self.parts.history.delete(job.job_id)

    async def load_chunks(self, job: Job) -> list[Chunk]:
        """Return a job's chunks, live ones where Redis has them and the ledger's otherwise."""
        try:
            live = await self.parts.store.load_chunks(job.queue, job.job_id)
        except StoreError:
            if not job.status.is_final:
                raise
            live = []
        chunks = live or await self.parts.history.load_chunks(job.job_id)
        return [complete_dead(chunk, lost_item=self.parts.catalog.get(job.task).lost_item) for chunk in chunks]

    async def find(self, queue: str, job_id: str, *, owner: str) -> Job:
        """Return a job as it stands: from Redis, else from the ledger.

        Raises:
            NotFound: no such job, or somebody else's.

        """
        try:
            job = (await self.parts.store.load(queue, [job_id]))[0]
        except StoreError:
            # The ledger has a finished job whole, but not the progress of another.
            job = await self.parts.history.load(queue, job_id)
            if job is not None and not job.status.is_final:
                raise
        else:
            job = job or await self.parts.history.load(queue, job_id)
        if job is None or job.owner != owner:
            raise NotFound(f"job {job_id} does not exist in queue {queue}")
        return job

    async def _admit(self, draft: Job, terms: Terms) -> Admission:
        """Admit a job to the ledger; one that it joins has not ended, and only then the key stands for that."""
        admission = await self.parts.history.admit(draft, terms)
        if admission.how is Admitted.JOINED and await self.has_just_ended(admission.job):
            admission = await self.parts.history.admit(draft, terms)
        if admission.how is Admitted.JOINED:
            return await self.parts.history.confirm_join(admission.job, terms)
        return admission


def _say_why(reason: str | None) -> dict[str, str]:
    return {"reason": reason} if reason else {}


def fingerprint(job_type: JobType, request: Mapping[str, Any]) -> str:
    """Return what makes two requests of a task the same, whatever the order of their keys."""
    text = orjson.dumps([job_type.name, dict(request)], option=orjson.OPT_SORT_KEYS)
    return hashlib.sha256(text).hexdigest()
