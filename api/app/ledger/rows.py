"""Convert rows of the ledger to jobs."""

from typing import Any

from sqlalchemy import Row

from app.jobs.model import Job, JobStatus


def parse_job(row: Row[Any]) -> Job:
    """Return the job that a row of `jobs` holds."""
    values = dict(row._mapping)  # noqa: SLF001  the public name of a row's mapping, in SQLAlchemy's words
    del values["overlap_key"]
    values.pop("version", None)
    return Job(**(values | {"status": JobStatus(row.status)}))
