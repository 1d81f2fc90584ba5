"""Admit a job to the ledger: once for each Idempotency-Key, and once for each unfinished request."""

from dataclasses import replace
from typing import Any

from sqlalchemy import func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.audit.log import AuditLine
from kaboom.audit.postgres import append_lines
from kaboom.errors import StoreError
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.outbox.postgres import register
from kaboom.jobs.postgres.port import KEY_KEPT_H, Admission, Admitted, JobDeleted, KeyReused, Terms
from kaboom.jobs.postgres.rows import dump_job, parse_job
from kaboom.jobs.postgres.tables import IDEMPOTENCY_KEYS, JOBS

#: The job to join may finish between the insert and the look-up; the next try then inserts a new job.
_TRIES = 5
_KEPT = text(f"interval '{KEY_KEPT_H} hours'")


async def admit(connection: AsyncConnection, job: Job, terms: Terms) -> Admission:
    """Admit a job within a transaction.

    A second submission with the same key, or of the same request, waits here for the first one to commit.
    """
    if terms.key is not None:
        earlier = await _claim_key(connection, job, terms, terms.key)
        if earlier is not None:
            return Admission(earlier, Admitted.REPLAYED)
    admission = await _insert(connection, job, terms)
    if admission.how is Admitted.NEW and (terms.callback_url or job.parent_id):
        await register(connection, job.job_id, url=terms.callback_url, parent_id=job.parent_id)
    if admission.how is Admitted.NEW and terms.change:
        await append_lines(connection, [AuditLine.of(terms.change, target=job.job_id)])
        return replace(admission, is_logged=True)
    if terms.key is not None and admission.how is Admitted.JOINED:
        # The joined job may have ended without the ledger knowing it yet, so only `confirm` binds the key to a job.
        await connection.execute(IDEMPOTENCY_KEYS.delete().where(*_is_key(job, terms.key)))
    return admission


async def confirm(connection: AsyncConnection, job: Job, terms: Terms) -> Admission:
    """Bind the key to the joined job, or return the job that another submission has bound it to in the meantime."""
    earlier = await _claim_key(connection, job, terms, terms.key) if terms.key is not None else None
    return Admission(earlier, Admitted.REPLAYED) if earlier else Admission(job, Admitted.JOINED)


async def _claim_key(connection: AsyncConnection, job: Job, terms: Terms, key: str) -> Job | None:
    """Bind a key to this job and return None, or return the job that the key is already bound to."""
    too_old = IDEMPOTENCY_KEYS.c.created_at < func.clock_timestamp() - _KEPT
    await connection.execute(IDEMPOTENCY_KEYS.delete().where(too_old))
    values = {"owner": job.owner, "key": key, "fingerprint": terms.submission, "job_id": job.job_id}
    claim = insert(IDEMPOTENCY_KEYS).values(values).on_conflict_do_nothing().returning(IDEMPOTENCY_KEYS.c.key)
    if (await connection.execute(claim)).one_or_none():
        return None
    kept = (await connection.execute(select(IDEMPOTENCY_KEYS).where(*_is_key(job, key)))).one()
    if kept.fingerprint != terms.submission:
        raise KeyReused
    row = (await connection.execute(select(JOBS).where(JOBS.c.job_id == kept.job_id))).one_or_none()
    if row is None:
        raise JobDeleted(kept.job_id)
    return parse_job(row)


async def _insert(connection: AsyncConnection, job: Job, terms: Terms) -> Admission:
    values = dump_job(job, overlap_key=terms.overlap_key)
    active = select(JOBS).where(
        JOBS.c.owner == job.owner,
        JOBS.c.overlap_key == terms.fingerprint,
        JOBS.c.status.in_(["queued", "running"]),
    )
    for _ in range(_TRIES):
        new = (await connection.execute(insert(JOBS).values(values).on_conflict_do_nothing().returning(JOBS))).first()
        if new:
            return Admission(parse_job(new), Admitted.NEW)
        joined = (await connection.execute(active)).first()
        if joined:
            return Admission(parse_job(joined), Admitted.JOINED)
    raise StoreError("the same request kept finishing while it was submitted: try again")


def _is_key(job: Job, key: str) -> tuple[Any, Any]:
    return IDEMPOTENCY_KEYS.c.owner == job.owner, IDEMPOTENCY_KEYS.c.key == key
