"""The statistics of a queue."""

from app.deps import Jobs
from app.jobs.model import JobStatus
from app.jobs_api.view import QueueStats


async def find_stats(jobs: Jobs, queue: str, owner: str) -> QueueStats:
    """Return the counts and times of an owner's jobs in a queue, from the ledger, and the workers that are online."""
    ledger = await jobs.parts.history.stats(queue, owner=owner)
    workers = await jobs.parts.store.workers()
    return QueueStats(
        queue=queue,
        by_status={s.value: ledger.by_status.get(s.value, 0) for s in JobStatus},
        waiting_messages=await jobs.parts.dispatcher.depth(queue),
        oldest_queued_s=ledger.oldest_queued_s,
        throughput_1m=ledger.finished_1m,
        throughput_1h=ledger.finished_1h,
        p50_runtime_s=ledger.p50_runtime_s,
        p95_runtime_s=ledger.p95_runtime_s,
        success_rate_24h=ledger.success_rate_24h,
        workers_online=len(workers),
        slots_online=sum(worker.slots for worker in workers),
    )
