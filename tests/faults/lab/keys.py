"""The keys of Redis when nothing runs any more: each has an owner, and those of jobs expire."""

import re
from collections.abc import Collection, Iterator
from itertools import batched
from typing import Any

from kaboom.jobs.model import Queue

_QUEUES = "|".join(queue.value for queue in Queue)
_OF_JOB = re.compile(rf"(?:{_QUEUES}):job:(?P<job_id>[0-9a-f]{{32}})(?::(?:chunks|events|logs))?")
#: Of a queue, of all of Kaboom, and what kombu remembers of its queues: as many as there are queues, whatever runs.
_OF_NO_JOB = re.compile(
    rf"(?:{_QUEUES}):(?:jobs|active|dispatch|retries|leases)|kaboom:(?:workers|epoch|results|changes)"
    rf"|celery:(?:{_QUEUES}|_kombu\.binding.*)"
)


def find_stray_keys(redis: Any, job_ids: Collection[str]) -> dict[str, str]:
    """Return the keys that nothing will ever drop, or whose job the ledger does not know, and why."""
    return dict(_find(redis, frozenset(job_ids)))


def _find(redis: Any, job_ids: frozenset[str]) -> Iterator[tuple[str, str]]:
    for keys in batched(redis.scan_iter(count=1000), 1000):
        with redis.pipeline(transaction=False) as pipe:
            for key in keys:
                pipe.ttl(key)
            lives = pipe.execute()
        for key, left_s in zip(keys, lives, strict=True):
            of_job = _OF_JOB.fullmatch(key)
            if of_job and of_job["job_id"] not in job_ids:
                yield key, "its job is not in the ledger"
            elif left_s == -1 and not _OF_NO_JOB.fullmatch(key):
                yield key, "it never expires"
