"""The SQL statements for a page of jobs."""

from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, literal_column, select, tuple_, union_all

from kaboom.jobs.postgres.port import JobQuery
from kaboom.jobs.postgres.search import mentions
from kaboom.jobs.postgres.tables import JOBS

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
