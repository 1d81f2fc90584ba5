"""Convert jobs to rows of the ledger, and back."""

from typing import Any

from sqlalchemy import Row

from kaboom.jobs.model import Job, JobStatus


def dump_job(job: Job, *, overlap_key: str | None) -> dict[str, Any]:
    """Return the row of a new job, which others with its `overlap_key` join; the other columns have defaults."""
    names = ("job_id", "queue", "task", "owner", "status", "parent_id", "attempt")
    return {name: getattr(job, name) for name in names} | {"request": dict(job.request), "overlap_key": overlap_key}


def parse_job(row: Row[Any]) -> Job:
    """Return the job that a row of `jobs` holds."""
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    del values["overlap_key"]
    values.pop("version", None)
    return Job(**(values | {"status": JobStatus(row.status)}))
