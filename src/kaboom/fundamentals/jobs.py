"""The kind of job that takes statements and events; the API loads it, too."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.fundamentals.request import FundamentalsRequest
from kaboom.fundamentals.results import FundamentalsResult
from kaboom.jobs.job_type import JobType, retry_unfinished
from kaboom.jobs.model import Chunk, Job
from kaboom.market.calendar import JST
from kaboom.providers.registry import check_has_disclosures

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


def check_fundamentals(request: FundamentalsRequest, settings: "AppSettings") -> FundamentalsRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the provider has no statements or lacks a setting, a symbol is not valid, or the day is to come.

    """
    name = check_has_disclosures(request.provider or settings.provider).name
    if lacking := settings.lacking_for(name):
        raise InvalidRequest(lacking, pointer="/provider")
    today = utc_now().astimezone(JST).date()
    if request.session and request.session > today:
        raise InvalidRequest(f"session was {request.session}, expected {today} or earlier", pointer="/session")
    return request.filled(provider=name)


def build_retry(job: Job, chunks: Sequence[Chunk]) -> Mapping[str, Any]:
    """Return the same request again, up to the same day; what has not changed is not written again."""
    request = retry_unfinished(job, chunks)
    return {**request, "session": job.plan["last"]} if job.plan and job.plan["last"] else request


FUNDAMENTALS = JobType(
    name="market_data.fundamentals",
    summary="Take statements, days of announcements and dividends, each with the moment when it became public",
    notes="What has changed since it was taken is kept beside what was known before.",
    request=FundamentalsRequest,
    check=check_fundamentals,
    plan="kaboom.fundamentals.tasks:plan",
    run_chunk="kaboom.fundamentals.tasks:run_chunk",
    build_retry=build_retry,
    result=FundamentalsResult,
    unit="items",
    lost_item="write_failed",
    is_schedulable=True,
    example={"provider": "synthetic", "days": 4},
)
