"""Jobs over time: the daily ingest by session, and how often each kind of job ends well and how long it takes."""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median

from fastapi import APIRouter, Response

from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.page_request import Page
from kaboom.jobs.api.view import JobPage
from kaboom.jobs.deps import needs
from kaboom.jobs.model import USER_QUEUES, JobStatus
from kaboom.jobs.results import PlannedResult
from kaboom.web.auth.scopes import Scope

router = APIRouter()
_DAILY = "ingest.run_daily"
#: The newest jobs that the page is made of; the API lists no more at once.
_JOBS = 200
_SESSIONS = 60
_HEIGHT = 100
_AREAS: Mapping[str, str] = {"completed": "f-ok", "partial": "f-warn", "failed": "f-bad", "cancelled": "f-none"}


@dataclass(frozen=True, slots=True)
class Column:
    """One session of the grid: its jobs, the newest first.

    Attributes:
        session: the last session of the jobs.
        rows: its jobs.
        seconds: how long the newest one took, None while it has not begun.
        height: of its bar, up to 100.
        area: the colour of its outcome.

    """

    session: str
    rows: Sequence[JobRow]
    seconds: float | None
    height: float
    area: str


@dataclass(frozen=True, slots=True)
class Trend:
    """A kind of job: how many ended, how many of these well, and the medians of the older and of the newer half."""

    task: str
    ended: int
    well: int
    before_s: float | None
    now_s: float | None


@router.get("/jobs/history", dependencies=[needs(Scope.JOBS_READ)])
async def show_history(page: Page) -> Response:
    """Show the daily ingest by session, and the trend of each kind of job."""
    queues = [queue.value for queue in USER_QUEUES]
    daily, every = await asyncio.gather(
        page.api.get(JobPage, "/api/v1/jobs", q="run_daily", queue="ingest", limit=_JOBS),
        page.api.get(JobPage, "/api/v1/jobs", queue=queues, limit=_JOBS),
    )
    columns = list_columns(row for row in map(JobRow, daily.items) if row.job.task == _DAILY)
    return await page.show(
        "job_history.html",
        daily=daily,
        every=every,
        columns=columns,
        longest=max((column.seconds or 0 for column in columns), default=0),
        trends=list_trends(map(JobRow, every.items)),
    )


def list_columns(rows: Iterable[JobRow]) -> list[Column]:
    """Return a column for each of the newest sessions, the oldest first; dry runs did nothing and are left out."""
    found: dict[str, list[JobRow]] = {}
    for row in rows:
        if (span := row.sessions) and not _has_only_planned(row):
            found.setdefault(span[1], []).append(row)
    chosen = sorted(found.items())[-_SESSIONS:]
    longest = max((seconds_of(each[0]) or 0 for _, each in chosen), default=0) or 1
    return [
        Column(
            session=session,
            rows=jobs,
            seconds=(seconds := seconds_of(jobs[0])),
            height=round(max(2, _HEIGHT * (seconds or 0) / longest), 1),
            area=_AREAS.get(jobs[0].job.status, "f-run"),
        )
        for session, jobs in chosen
    ]


def list_trends(rows: Iterable[JobRow]) -> list[Trend]:
    """Return the trend of each kind of job that has ended, by name; cancelled jobs say nothing about either."""
    counted = [row for row in rows if row.is_final and not _has_only_planned(row)]
    ended = [row for row in counted if row.job.status is not JobStatus.CANCELLED]
    found = []
    for task, jobs in groupby(sorted(ended, key=lambda row: row.job.task), key=lambda row: row.job.task):
        # The API lists the newest first, and sorting keeps that order.
        every = list(jobs)
        half = len(every) // 2
        states = Counter(row.job.status for row in every)
        newer, older = _median(every[: len(every) - half]), _median(every[len(every) - half :])
        found.append(Trend(task, len(every), states[JobStatus.COMPLETED], older, newer))
    return found


def _has_only_planned(row: JobRow) -> bool:
    """Return whether a job ended with its plan, such as a dry run, or one that had nothing to do."""
    return row.is_final and row.has(PlannedResult) and not row.job.progress.total


def seconds_of(row: JobRow) -> float | None:
    """Return how long a job took; None if it has not ended."""
    job = row.job
    return (job.completed_at - job.started_at).total_seconds() if job.completed_at and job.started_at else None


def _median(rows: Sequence[JobRow]) -> float | None:
    known = [seconds for row in rows if (seconds := seconds_of(row)) is not None]
    return median(known) if known else None
