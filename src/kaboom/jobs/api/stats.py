"""The statistics of a queue."""

from kaboom.jobs.api.view import QueueStats
from kaboom.jobs.deps import Jobs
from kaboom.jobs.model import JobStatus
from kaboom.web.routers import view_of


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
