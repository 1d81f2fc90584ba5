"""The kind of a job, which decides how its result is printed."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from kaboom.ingest.results import IngestResult
from kaboom.market.listing import Market

if TYPE_CHECKING:
    from pydantic import BaseModel

    from kaboom.jobs.job_type import JobType


def find_kind(job: Mapping[str, Any]) -> "JobType | None":
    """Return the type of a job; None if this release does not know it."""
    from kaboom.catalog import CATALOG  # noqa: PLC0415  the requests of all jobs, which lists do without

    return CATALOG.find(job["task"])


def unit_of(job: Mapping[str, Any]) -> str:
    """Return the unit of a job's items, such as `files`; `symbols` of an unknown kind."""
    kind = find_kind(job)
    return kind.unit if kind else "symbols"


def is_planned(job: Mapping[str, Any]) -> bool:
    """Return whether a job of this kind begins with a plan, and then has items; so does an unknown kind."""
    kind = find_kind(job)
    return kind is None or bool(kind.plan)


def is_of(job: Mapping[str, Any], *models: "type[BaseModel]") -> bool:
    """Return whether the result of a job of this kind is of each of these models."""
    kind = find_kind(job)
    return kind is not None and all(issubclass(kind.result, model) for model in models)


def has_files(job: Mapping[str, Any]) -> bool:
    """Return whether the bars came from the user's own files, which have no listings."""
    result = job["result"]
    return bool(result) and is_of(job, IngestResult) and result["universe"]["market"] == Market.FILE
