"""Search jobs in memory for a word."""

from collections.abc import Iterator
from typing import Any

from kaboom.jobs.model import Job


def does_mention(job: Job, word: str) -> bool:
    """Return whether a job mentions a word, by the rules of `kaboom.jobs.postgres.search.mentions`."""
    contained = (job.task, job.request.get("market") or "", (job.error or {}).get("message") or "")
    return (
        job.job_id.startswith(word.lower())
        or any(word.lower() in text.lower() for text in contained)
        or not {word, word.upper(), word.lower()}.isdisjoint(_texts(job.request))
    )


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
