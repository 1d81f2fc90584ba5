"""Build the request that retries an ingest job."""

from collections.abc import Mapping, Sequence
from typing import Any

from kaboom.jobs.job_type import items_left, nothing_left
from kaboom.jobs.model import Chunk, Job
from kaboom.market.listing import Market


def build_retry(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the request for the symbols that failed, were cancelled or given up, of the same session.

    Raises:
        Conflict: nothing is left to do.

    """
    if job.plan is None:
        return job.request
    left: dict[str, list[str]] = {}
    for chunk in chunks:
        known = left.setdefault(chunk.payload["interval"], [])
        known += [item for item in items_left(chunk) if item not in known]
    only = {interval: items for interval, items in left.items() if items}
    if not only:
        raise nothing_left(job)
    given = job.request.get("intervals", {})
    intervals = {interval: given[interval] for interval in only if interval in given}
    request = {**job.request, "intervals": intervals, "only": only, "provider": job.plan["provider"]}
    if Market(job.request["market"]).is_tse:
        # The same session, even if a newer session has closed since.
        request["session"] = job.plan["session"]
    return request
