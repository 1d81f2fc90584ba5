"""The SQL statements for a page of jobs, with a search for words, and for dead letters."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Row, Select, cast, func, literal, literal_column, or_, select, tuple_, union_all
from sqlalchemy.dialects.postgresql import JSONPATH

from kaboom.jobs.model import ChunkState
from kaboom.jobs.postgres.dead_letters import DeadLetter, DeadLetterQuery
from kaboom.jobs.postgres.port import JobQuery
from kaboom.jobs.postgres.tables import JOB_CHUNKS, JOBS

#: Any text in the request: a symbol, a market, a provider, a session.
_ANY_TEXT = cast(literal("$.** ? (@ == $given || @ == $upper || @ == $lower)"), JSONPATH)


def mentions(word: str) -> ColumnElement[bool]:
    """Return the condition that a job mentions a word, in any case.

    A job mentions a word if its id begins with the word, if its task, market or error message contains the word, or if
    a text of its request equals the word.
    """
    contained = (JOBS.c.task, JOBS.c.request["market"].astext, JOBS.c.error["message"].astext)
    words = func.jsonb_build_object("given", word, "upper", word.upper(), "lower", word.lower())
    return or_(
        JOBS.c.job_id.startswith(word.lower(), autoescape=True),
        *(text.icontains(word, autoescape=True) for text in contained),
        func.jsonb_path_exists(JOBS.c.request, _ANY_TEXT, words),
    )


#: The version of a row.
VERSION: ColumnElement[str] = literal_column("jobs.xmin::text").label("version")


def build_page(query: JobQuery) -> Select[Any]:
    """Return the statement that finds `job_id` and `version` of the jobs that a query asks for, newest first."""
    page = _merge_queues(query)
    return page.with_only_columns(page.selected_columns.job_id, page.selected_columns.version)


def build_end(query: JobQuery, *, jobs: int) -> Select[Any]:
    """Return the statement that finds the sort key of the `jobs`-th job of a query without its words."""
    page = _merge_queues(replace(query, words=(), limit=jobs))
    place = page.with_only_columns(page.selected_columns.requested_at, page.selected_columns.job_id)
    return place.limit(1).offset(jobs - 1)


def _merge_queues(query: JobQuery) -> Select[Any]:
    pages = [_page_of_queue(query, queue) for queue in query.queues]
    if len(pages) == 1:
        return pages[0]
    # The index is sorted by time within each queue, not across queues: the newest jobs of each queue are merged.
    merged = union_all(*(select(page.subquery()) for page in pages)).subquery()
    return select(merged).order_by(merged.c.requested_at.desc(), merged.c.job_id.desc()).limit(query.limit)


def _page_of_queue(query: JobQuery, queue: str) -> Select[Any]:
    key = (JOBS.c.requested_at, JOBS.c.job_id)
    statement = select(*key, VERSION).where(JOBS.c.queue == queue, JOBS.c.owner == query.owner)
    if query.statuses:
        statement = statement.where(JOBS.c.status.in_(sorted(query.statuses)))
    if query.since:
        statement = statement.where(JOBS.c.requested_at >= query.since)
    if query.until:
        statement = statement.where(JOBS.c.requested_at < query.until)
    if query.before:
        statement = statement.where(tuple_(*key) < query.before)
    if query.down_to:
        statement = statement.where(tuple_(*key) >= query.down_to)
    statement = statement.where(*(mentions(word) for word in query.words))
    return statement.order_by(*(column.desc() for column in key)).limit(query.limit)


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
