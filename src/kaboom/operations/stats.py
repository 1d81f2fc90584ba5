"""The statistics of all queues, now and over time."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import QueueStats, find_stats
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.jobs.model import JobStatus
from kaboom.jobs.postgres.activity import ActivityQuery
from kaboom.jobs.queues import Queue
from kaboom.operations.examples import SERIES, STATS

#: The most steps of a series.
_MOST_BINS = 1500
_FINAL = [status.value for status in JobStatus if status.is_final]


class AllStats(BaseModel):
    """The statistics of all queues together, and of each queue."""

    model_config = ConfigDict(json_schema_extra={"example": STATS})

    by_status: dict[str, int]
    waiting_messages: int = Field(description="chunks and plans, of all owners, that no worker has taken yet")
    oldest_queued_s: float | None
    running_chunks: int = Field(description="chunks and plans, of all owners, that workers run now")
    workers_online: int
    slots_online: int
    queues: list[QueueStats]


class QueueSeries(BaseModel):
    """The activity of the caller's jobs in one queue; each list has one value for each step."""

    queue: str
    settled: list[int] = Field(
        description="items that got an outcome, counted when their chunk or their short job ended"
    )
    failed: list[int] = Field(description="items of `settled` that failed")
    waiting: list[int] = Field(description="the most jobs that waited at the same time, each for a second or longer")
    finished: dict[str, list[int]] = Field(description="jobs that ended, by their state")


class Series(BaseModel):
    """The activity of the queues in steps of equal length, oldest first; the last step is not over yet."""

    model_config = ConfigDict(json_schema_extra={"example": SERIES})

    step_min: int
    begins_at: list[AwareDatetime]
    queues: list[QueueSeries]


class SeriesListing(BaseModel):
    """The time span of a series, and the length of its steps."""

    model_config = ConfigDict(extra="forbid")

    hours: int = Field(default=24, ge=1, le=24 * 31)
    step_min: int = Field(default=15, ge=1, le=24 * 60)
    queue: list[Queue] = Field(default=[], max_length=len(Queue), description="only these; default: all")

    def to_query(self, queues: Sequence[str], owner: str, now: datetime) -> ActivityQuery:
        """Return the query for the jobs of an owner.

        Steps begin at multiples of their length in UTC, so that a chart does not shift with each request.

        Raises:
            InvalidRequest: the steps are too short for the time span.

        """
        bins = -(-self.hours * 60 // self.step_min)
        if bins > _MOST_BINS:
            least = -(-self.hours * 60 // _MOST_BINS)
            raise InvalidRequest(f"step_min was {self.step_min}, expected {least} or more for {self.hours} hours")
        step = timedelta(minutes=self.step_min)
        end = datetime.fromtimestamp((now.timestamp() // step.total_seconds() + 1) * step.total_seconds(), tz=UTC)
        wanted = tuple(sorted({queue.value for queue in self.queue} or set(queues)))
        return ActivityQuery(wanted, owner, end - bins * step, step, bins)


async def find_all_stats(jobs: Jobs, owner: str) -> AllStats:
    """Return the statistics of an owner's jobs in every queue, and their sums.

    Raises:
        StoreError: a store is unavailable.

    """
    parts, queues = jobs.parts, jobs.parts.catalog.queues
    found = await asyncio.gather(*(find_stats(jobs, queue, owner) for queue in queues))
    running = await asyncio.gather(*(parts.store.running(queue) for queue in queues))
    waited = [stats.oldest_queued_s for stats in found if stats.oldest_queued_s is not None]
    return AllStats(
        by_status={s.value: sum(stats.by_status[s.value] for stats in found) for s in JobStatus},
        waiting_messages=sum(stats.waiting_messages for stats in found),
        oldest_queued_s=max(waited, default=None),
        running_chunks=sum(running),
        workers_online=max(stats.workers_online for stats in found),
        slots_online=max(stats.slots_online for stats in found),
        queues=found,
    )


async def find_series(jobs: Jobs, query: ActivityQuery) -> Series:
    """Return the activity of the queues over time, from the ledger alone.

    Raises:
        StoreError: the ledger is unavailable.

    """
    found = await jobs.parts.history.activity(query)
    nothing = [0] * query.bins
    return Series(
        step_min=round(query.step.total_seconds() / 60),
        begins_at=[query.since + number * query.step for number in range(query.bins)],
        queues=[
            QueueSeries(
                queue=queue,
                settled=activity.settled,
                failed=activity.failed,
                waiting=activity.waiting,
                finished={status: activity.finished.get(status, nothing) for status in _FINAL},
            )
            for queue, activity in sorted(found.items())
        ],
    )
