"""The statement that finds dead letters in PostgreSQL."""

from typing import Any

from sqlalchemy import Row, Select, func, select, tuple_

from kaboom.jobs.model import ChunkState
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.tables import JOB_CHUNKS, JOBS


def build_dead_letters(query: DeadLetterQuery) -> Select[Any]:
    """Return the statement that finds the dead letters of a query."""
    child, place = JOBS.alias("child"), (JOB_CHUNKS.c.ended_at, JOB_CHUNKS.c.job_id, JOB_CHUNKS.c.n)
    children = select(child.c.job_id).where(child.c.parent_id == JOBS.c.job_id)
    newest = children.order_by(child.c.requested_at.desc()).limit(1).scalar_subquery()
    statement = (
        select(
            *(JOBS.c.job_id, JOBS.c.queue, JOBS.c.task, JOB_CHUNKS.c.n, JOB_CHUNKS.c.attempts),
            func.jsonb_array_length(JOB_CHUNKS.c["items"]).label("size"),
            JOB_CHUNKS.c.tally["failed"].as_integer().label("failed"),
            func.coalesce(JOB_CHUNKS.c.tally["cause"].as_string(), "").label("cause"),
            JOB_CHUNKS.c.ended_at.label("given_up_at"),
            newest.label("retried_as"),
        )
        .join(JOBS, JOBS.c.job_id == JOB_CHUNKS.c.job_id)
        .where(JOB_CHUNKS.c.state == ChunkState.DEAD.value, JOB_CHUNKS.c.ended_at.is_not(None))
        .where(JOBS.c.owner == query.owner, JOBS.c.queue.in_(query.queues))
    )
    if query.since:
        statement = statement.where(JOB_CHUNKS.c.ended_at >= query.since)
    if query.is_retried is not None:
        statement = statement.where(children.exists() if query.is_retried else ~children.exists())
    if query.before:
        statement = statement.where(tuple_(*place) < query.before)
    return statement.order_by(*(column.desc() for column in place)).limit(query.limit)


def parse_dead_letter(row: Row[Any]) -> DeadLetter:
    """Return the dead letter that a row holds."""
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    return DeadLetter(items=values.pop("size"), **values)
