"""Jobs as the API shows them."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.jobs.api.subject import Subject, subject_of
from kaboom.jobs.api.words import Reason
from kaboom.jobs.deps import Jobs
from kaboom.jobs.model import Chunk, Job, JobStatus, Queue, job_links
from kaboom.jobs.redis.events import JobEvent
from kaboom.jobs.redis.lines import JobLine
from kaboom.jobs.redis.store import LEASE_S
from kaboom.jobs.redis.workers import Worker
from kaboom.market.outcome import is_fine
from kaboom.web.auth.scopes import Scope
from kaboom.web.routers import example_of, view_of

Health = Literal["ok", "waiting", "paused", "stalled", "recovering"]


class Progress(BaseModel):
    """The progress of a job. Counts are items (a symbol of one interval), `rows` bars, `rate` items per second.

    `paused_until` and `pause_reason` are set while chunks wait for a provider that is paused.
    """

    done: int = Field(examples=[820])
    total: int = Field(examples=[1651])
    failed: int = Field(examples=[3])
    cancelled: int = Field(examples=[0])
    percent: float = Field(examples=[49.8])
    rate: float | None = Field(examples=[310.5])
    eta_s: float | None = Field(examples=[2.7])
    eta_low_s: float | None = Field(
        default=None, description="in four of five cases it takes at least this long …", examples=[2.2]
    )
    eta_high_s: float | None = Field(
        default=None, description="… and at most this; null before 5 % and 10 items", examples=[3.3]
    )
    rows: int = Field(examples=[214380])
    paused_until: AwareDatetime | None = Field(default=None, examples=[None])
    pause_reason: str | None = Field(default=None, examples=[None])


class JobView(BaseModel):
    """One job."""

    job_id: str = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    status: JobStatus = Field(examples=["running"])
    queue: str = Field(examples=["ingest"])
    task: str = Field(examples=["ingest.run_daily"])
    market: str | None = Field(examples=["TSE_PRIME"])
    intervals: dict[str, int] | None = Field(examples=[{"1m": 1}])
    requested_at: AwareDatetime | None = Field(examples=["2025-11-04T07:00:00Z"])
    started_at: AwareDatetime | None = Field(examples=["2025-11-04T07:00:01Z"])
    completed_at: AwareDatetime | None
    attempt: int = Field(examples=[1])
    parent_id: str | None
    progress: Progress
    result: dict[str, Any] | None = Field(
        description="as far as it is known; each kind of job has its own",
        examples=[
            {
                "chunks": 36,
                "session": "2025-11-04",
                "is_final": True,
                "provider": "synthetic",
                "universe": {
                    "source": "jpx",
                    "as_of": "2025-10-31",
                    "age_days": 4,
                    "market": "TSE_PRIME",
                    "symbols": 1651,
                },
                "sessions": {"1m": {"count": 1, "first": "2025-11-04", "last": "2025-11-04"}},
                "rows": 214380,
                "outcomes": {"ok": 790, "no_trades": 1, "not_listed": 29, "provider_error": 3},
                "counts": {"flag_stale": 3510},
            }
        ],
    )
    error: dict[str, Any] | None
    health: Health = Field(examples=["ok"])
    request: dict[str, Any] | None = Field(
        default=None,
        description="what was asked for; null in lists",
        examples=[{"intervals": {"1m": 1}, "market": "TSE_PRIME", "chunk_size": 500}],
    )
    links: dict[str, str] = Field(
        examples=[
            {
                "self": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b",
                "events": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/events",
                "logs": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/logs",
                "failures": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/failures",
                "chunks": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/chunks",
                "cancel": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/cancel",
                "retry": "/api/v1/ingest/jobs/dc84d88371794773b929d2957f6a663b/retry",
            }
        ]
    )
    subject: Subject = Field(default=Subject(), description="what tells it from other jobs of its task")
    lacks: list[Scope] = Field(
        description="in lists: the scopes that the caller lacks for this job, whose result and error are then left out",
        examples=[[]],
    )


class Failure(BaseModel):
    """One item that is not a plain success, with its outcome."""

    item: str = Field(examples=["7203"])
    interval: str | None = Field(examples=["1m"])
    outcome: str = Field(examples=["provider_error"])
    message: str = Field(examples=["the provider answered 502"])
    attempts: int = Field(examples=[3])


class Accepted(BaseModel):
    """A job that was accepted and cannot be lost."""

    job_id: str = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    status: JobStatus = Field(examples=["queued"])


class JobPage(BaseModel):
    """Some jobs, newest first."""

    items: list[JobView] = Field(examples=[[example_of(JobView) | {"request": None}]])
    next_cursor: str | None = Field(
        examples=["WyIyMDI1LTExLTA0VDA3OjAwOjAwKzAwOjAwIiwiZGM4NGQ4ODM3MTc5NDc3M2I5MjlkMjk1N2Y2YTY2M2IiXQ"]
    )
    searched_back_to: AwareDatetime | None = Field(
        description="the next page searches jobs requested before then for the words of `q`; null: none is left"
    )


class FailurePage(BaseModel):
    """Items that are not plain successes, in the order of the plan."""

    items: list[Failure]
    total: int = Field(examples=[3])
    next_cursor: str | None = Field(examples=["1"])


class LogLine(BaseModel):
    """A log line of a job, from the API or a worker; `docs/reference/job-logs.md` lists the events."""

    id: str
    at: AwareDatetime
    level: Literal["debug", "info", "warning", "error", "critical"]
    event: str
    fields: dict[str, str | int | float | bool | None]


class LogPage(BaseModel):
    """Some log lines of a job, oldest first."""

    items: list[LogLine] = Field(
        examples=[
            [
                {
                    "id": "1762239601512-0",
                    "at": "2025-11-04T07:00:01.204000Z",
                    "level": "info",
                    "event": "job_planned",
                    "fields": {"chunk": "plan", "chunks": 36, "accepted": True},
                },
                {
                    "id": "1762239603012-0",
                    "at": "2025-11-04T07:00:02.733000Z",
                    "level": "warning",
                    "event": "chunk_broken",
                    "fields": {"chunk": "7", "error": "StoreError: the disk was full", "attempt": 1},
                },
            ]
        ]
    )
    after: str = Field(
        description="give it as `after` to get what comes next, now or later", examples=["1762239603012-0"]
    )
    has_more: bool = Field(examples=[False])


class QueueStats(BaseModel):
    """The statistics of a queue; times in seconds, rates from 0 to 1."""

    queue: str = Field(examples=["ingest"])
    by_status: dict[str, int] = Field(
        examples=[
            {"queued": 0, "running": 1, "cancelling": 0, "completed": 41, "partial": 1, "failed": 0, "cancelled": 2}
        ]
    )
    waiting_messages: int = Field(examples=[9])
    oldest_queued_s: float | None
    throughput_1m: int = Field(examples=[0])
    throughput_1h: int = Field(examples=[4])
    p50_runtime_s: float | None = Field(examples=[4.1])
    p95_runtime_s: float | None = Field(examples=[9.7])
    success_rate_24h: float | None = Field(examples=[0.976])
    workers_online: int = Field(examples=[1])
    slots_online: int = Field(examples=[4])


class AllStats(BaseModel):
    """The statistics of all queues together, and of each queue."""

    by_status: dict[str, int] = Field(
        examples=[
            {"queued": 0, "running": 1, "cancelling": 0, "completed": 41, "partial": 1, "failed": 0, "cancelled": 2}
        ]
    )
    waiting_messages: int = Field(
        description="chunks and plans, of all owners, that no worker has taken yet", examples=[9]
    )
    oldest_queued_s: float | None
    running_chunks: int = Field(description="chunks and plans, of all owners, that workers run now", examples=[4])
    workers_online: int = Field(examples=[1])
    slots_online: int = Field(examples=[4])
    queues: list[QueueStats]


class ChangeBody(BaseModel):
    """Why a job is changed."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason | None = Field(
        default=None,
        description="kept in the audit log and in the job's log",
        examples=["the list of symbols was wrong"],
    )


class RetryBody(ChangeBody):
    """What to run again, and why."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"example": {"only": "failed", "reason": "the provider has recovered"}}
    )

    only: Literal["failed", "all"] = Field(
        default="failed", description="what is left to do, or the whole request again"
    )


def conceal(job: Job) -> Job:
    """Return a job without what its request asks for and what came of it: its state, times and progress."""
    error = {"type": job.error["type"], "message": ""} if job.error else None
    return replace(job, request={}, plan=None, result=None, error=error, outcomes={}, counts={})


def view_job(job: Job, *, workers: Sequence[Worker], lacks: Iterable[Scope] = ()) -> JobView:
    """Return a job as the API shows it to a caller who lacks some of the scopes that the job needs."""
    if lacks := sorted(lacks):
        job = conceal(job)
    return view_of(
        JobView,
        job,
        market=job.request.get("market"),
        intervals=_intervals(job),
        progress=view_progress(job, workers),
        result=job.shown_result,
        error=dict(job.error) if job.error else None,
        health=judge_health(job, workers),
        request=None,
        links=job_links(job.queue, job.job_id),
        subject=subject_of(job),
        lacks=lacks,
    )


def _intervals(job: Job) -> dict[str, int] | None:
    """Return the intervals of a request with their look-backs; those of the plan, if the request has all days."""
    planned = (job.plan or {}).get("sessions", {}) if job.queue == Queue.INGEST else {}
    return job.request.get("intervals") or {name: found["count"] for name, found in planned.items()} or None


def view_line(event: JobEvent) -> LogLine:
    """Return a log line as the API shows it."""
    return view_of(LogLine, JobLine.from_json(event.data), id=event.event_id)


def judge_health(job: Job, workers: Sequence[Worker]) -> Health:
    """Return whether a job makes progress.

    `recovering`: only the ledger has the job. `waiting`: no worker is online. `paused`: chunks wait for a provider.
    `stalled`: no update for the length of two leases.
    """
    if job.status.is_final:
        return "ok"
    if not job.is_live:
        return "recovering"
    if not workers:
        return "waiting"
    now = _store_now(job, workers)
    if now is None or job.status is not JobStatus.RUNNING or job.updated_at is None:
        return "ok"
    if job.pause_left_s(now):
        return "paused"
    news_at = max(job.updated_at, job.paused_until or job.updated_at)
    return "stalled" if (now - news_at).total_seconds() > 2 * LEASE_S else "ok"


def _store_now(job: Job, workers: Sequence[Worker]) -> datetime | None:
    """Return the time of the job store's clock, up to some seconds old; the clock of this process may be wrong."""
    seen = [worker.seen_at for worker in workers] + ([job.updated_at] if job.updated_at else [])
    return max(seen, default=None)


def view_progress(job: Job, workers: Sequence[Worker]) -> Progress:
    """Return how far a job is."""
    now = _store_now(job, workers)
    settled = job.settled + job.cancelled
    percent = 100.0 * settled / job.total if job.total else (100.0 if job.status.is_final else 0.0)
    pause_s = job.pause_left_s(now) if now else 0.0
    eta_s = None if job.eta_s is None else job.eta_s + pause_s
    low_s, high_s = (None, None) if job.eta_range_s is None else (each + pause_s for each in job.eta_range_s)
    return view_of(
        Progress,
        job,
        percent=round(percent, 1),
        rate=_rate(job),
        eta_s=_round(eta_s),
        eta_low_s=_round(low_s),
        eta_high_s=_round(high_s),
        paused_until=job.paused_until if pause_s else None,
        pause_reason=job.pause_reason if pause_s else None,
    )


def _round(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 1)


def _rate(job: Job) -> float | None:
    """Return the present rate of a job; for a final job, the mean rate."""
    if job.status.is_final and job.started_at and job.completed_at:
        elapsed_s = (job.completed_at - job.started_at).total_seconds()
        return round(job.settled / elapsed_s, 1) if elapsed_s > 0 else None
    return None if job.rate is None else round(job.rate, 1)


#: The outcomes of items: those of symbols; of items of other jobs; of items whose chunk was given up.
ItemOutcome = Literal[
    "ok",
    "no_trades",
    "not_listed",
    "rate_limited",
    "provider_error",
    "invalid",
    "write_failed",
    "failed",
    "lost",
]


class FailureListing(BaseModel):
    """The filter and the page of a list of items."""

    model_config = ConfigDict(extra="forbid")

    outcome: list[ItemOutcome] = Field(default=[], max_length=9)
    limit: int = Field(default=100, ge=1, le=1000)
    cursor: int = Field(default=0, ge=0, le=10_000_000)


def page_failures(chunks: Sequence[Chunk], query: FailureListing) -> FailurePage:
    """Return the page that a query asks for."""
    found = [
        view_of(Failure, note, interval=chunk.payload.get("interval"))
        for chunk in chunks
        for note in chunk.tally.notes
        if (note.outcome in query.outcome if query.outcome else not is_fine(note.outcome))
    ]
    end = query.cursor + query.limit
    cursor = str(end) if end < len(found) else None
    return FailurePage(items=found[query.cursor : end], total=len(found), next_cursor=cursor)


async def find_stats(jobs: Jobs, queue: str, owner: str) -> QueueStats:
    """Return the counts and times of an owner's jobs in a queue, from the ledger, and the workers that are online."""
    ledger = await jobs.parts.history.stats(queue, owner=owner)
    workers = await jobs.parts.store.workers()
    return view_of(
        QueueStats,
        ledger,
        queue=queue,
        by_status={s.value: ledger.by_status.get(s.value, 0) for s in JobStatus},
        waiting_messages=await jobs.parts.dispatcher.depth(queue),
        throughput_1m=ledger.finished_1m,
        throughput_1h=ledger.finished_1h,
        workers_online=len(workers),
        slots_online=sum(worker.slots for worker in workers),
    )
