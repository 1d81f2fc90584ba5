"""The activity of queues, computed from jobs in memory as `activity_sql` does it in PostgreSQL."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from kaboom.jobs.model import Chunk, Job, JobStatus
from kaboom.jobs.postgres.activity import (
    SHORTEST_WAIT_S,
    Activity,
    ActivityQuery,
    Finished,
    Settled,
    follow_waits,
    sum_up,
)

_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: The chunks of each job, and when each chunk ended.
type ChunkEnds = Mapping[str, tuple[Mapping[str, Chunk], Mapping[str, datetime]]]


def find_activity(query: ActivityQuery, jobs: Iterable[Job], ends: ChunkEnds, now: datetime) -> dict[str, Activity]:
    """Return the activity of each queue."""
    active = [
        job
        for job in jobs
        if (job.queue in query.queues and job.owner == query.owner)
        and (not job.status.is_final or (job.completed_at or _LONG_AGO) >= query.since)
    ]
    finished = [
        Finished(job.queue, query.bin_of(job.completed_at), job.status.value, 1)
        for job in active
        if job.status.is_final and job.completed_at
    ]
    settled = [each for job in active for each in _settled(query, job, ends)]
    waits = [wait for job in active if (wait := _wait(job, now))]
    return sum_up(query, settled, finished, follow_waits(query, waits))


def _settled(query: ActivityQuery, job: Job, ends: ChunkEnds) -> Iterator[Settled]:
    end, begin = job.completed_at, job.started_at
    if end and (begin is None or end - begin <= query.step):
        yield Settled(job.queue, query.bin_of(end), job.settled, job.failed)
        return
    chunks, ended = ends.get(job.job_id, ({}, {}))
    for n, at in ended.items():
        tally = chunks[n].tally
        yield Settled(job.queue, query.bin_of(at), tally.done + tally.failed, tally.failed)


def _wait(job: Job, now: datetime) -> tuple[str, datetime, datetime | None] | None:
    begin = job.requested_at
    if begin is None:
        return None
    end = None if job.status is JobStatus.QUEUED else (job.started_at or job.completed_at or begin)
    is_long = (end or now) - begin >= timedelta(seconds=SHORTEST_WAIT_S)
    return (job.queue, begin, end) if is_long else None
