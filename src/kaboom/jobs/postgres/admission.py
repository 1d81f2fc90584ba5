"""Admit jobs to the ledger: once for each Idempotency-Key, once for each unfinished request, plain jobs together."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import orjson
from sqlalchemy import func, select, text, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DataError
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.audit.log import AuditLine
from kaboom.audit.postgres import INSERT_LINES, append_lines, dump_lines
from kaboom.drivers.batcher import CallBatcher
from kaboom.drivers.postgres.engine import Statements
from kaboom.errors import StoreError
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import KEY_KEPT_H, Admission, Admitted, JobDeleted, KeyReused, Terms
from kaboom.jobs.postgres.postgres_outbox import register
from kaboom.jobs.postgres.tables import IDEMPOTENCY_KEYS, JOBS, dump_job, parse_job

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


_COLUMNS = ("job_id", "queue", "task", "owner", "status", "request", "attempt", "overlap_key")
_TYPED = ", ".join(f"{name} {JOBS.c[name].type}" for name in _COLUMNS)
# All drafts are one parameter: 30 µs of CPU for each, against 400 µs for a single insert. They are inserted in the
# order of the unique index, so that two groups of the same requests cannot deadlock.
_INSERT = text(f"""
WITH new AS (
    INSERT INTO jobs ({", ".join(_COLUMNS)})
    SELECT {", ".join(_COLUMNS)} FROM jsonb_to_recordset(CAST(:drafts AS jsonb)) AS draft({_TYPED})
    ORDER BY owner, overlap_key
    ON CONFLICT DO NOTHING
    RETURNING job_id, requested_at
), logged AS ({INSERT_LINES} WHERE target IN (SELECT job_id FROM new))
SELECT job_id, requested_at FROM new
""")  # noqa: S608  the names are our own


@dataclass(frozen=True, slots=True)
class Draft:
    """A job to admit, its row as JSON, and the line of the audit log that is written with it."""

    job: Job
    overlap_key: str | None
    row: bytes
    line: AuditLine | None


def build_draft(job: Job, terms: Terms) -> Draft | None:
    """Return the draft of a plain job, which `GroupCommit` can admit together with others; None for any other job.

    A plain job has no parent, Idempotency-Key or callback URL, so it is one row and at most one line of the audit log.
    """
    if job.parent_id is not None or terms != Terms(terms.fingerprint, may_join=terms.may_join):
        return None
    row = dump_job(job, overlap_key=terms.overlap_key)
    line = AuditLine.of(terms.change, target=job.job_id) if terms.change else None
    return Draft(job, row["overlap_key"], orjson.dumps(row), line)


class GroupCommit:
    """Admits plain jobs that are submitted at the same time by one statement."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._group = CallBatcher(self._admit_all, server="PostgreSQL")

    async def admit(self, draft: Draft) -> Admission:
        """Admit a job, or join an unfinished job of the same request, even one that is submitted at the same moment."""
        return await self._group.call(draft)

    async def _admit_all(self, drafts: Sequence[Draft]) -> Sequence[Admission | Exception]:
        try:
            return await self._admit_together(drafts)
        except StoreError as e:
            if len(drafts) == 1 or not isinstance(e.__cause__, DataError):
                raise
        answers: list[Admission | Exception] = []
        for draft in drafts:
            try:
                answers += await self._admit_together([draft])
            except StoreError as e:
                # Only the draft that PostgreSQL cannot store is rejected, such as one with a NUL in a text.
                answers.append(e)
        return answers

    async def _admit_together(self, drafts: Sequence[Draft]) -> list[Admission]:
        """Admit jobs. Each statement commits alone, so no lock is held while the next statement waits."""
        placed: dict[str, Admission] = {}
        waiting = list(drafts)
        async with self._statements.hold() as connection:
            for _ in range(_TRIES):
                placed |= await _insert_all(connection, waiting)
                waiting = [draft for draft in waiting if draft.job.job_id not in placed]
                if waiting:
                    placed |= await _join(connection, waiting)
                    waiting = [draft for draft in waiting if draft.job.job_id not in placed]
                if not waiting:
                    return [placed[draft.job.job_id] for draft in drafts]
        raise StoreError("the same request kept finishing while it was submitted: try again")


async def _insert_all(connection: AsyncConnection, drafts: Sequence[Draft]) -> dict[str, Admission]:
    rows = b"[" + b",".join(draft.row for draft in drafts) + b"]"
    lines = dump_lines([draft.line for draft in drafts if draft.line])
    found = await connection.execute(_INSERT, {"drafts": rows.decode(), "lines": lines})
    new = {row.job_id: row.requested_at for row in found}
    return {
        job_id: Admission(replace(draft.job, requested_at=new[job_id]), Admitted.NEW, is_logged=draft.line is not None)
        for draft in drafts
        if (job_id := draft.job.job_id) in new
    }


async def _join(connection: AsyncConnection, drafts: Sequence[Draft]) -> dict[str, Admission]:
    places = sorted({(draft.job.owner, draft.overlap_key or "") for draft in drafts})
    active = select(JOBS).where(
        tuple_(JOBS.c.owner, JOBS.c.overlap_key).in_(places),
        JOBS.c.status.in_(["queued", "running"]),
    )
    found = {(row.owner, row.overlap_key): parse_job(row) for row in await connection.execute(active)}
    known = [(draft.job.job_id, found.get((draft.job.owner, draft.overlap_key))) for draft in drafts]
    return {job_id: Admission(job, Admitted.JOINED) for job_id, job in known if job}
