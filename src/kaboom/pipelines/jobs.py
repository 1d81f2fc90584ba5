"""The kind of job that starts a run of a pipeline, so that schedules can; the API loads it, too."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from kaboom.drivers.clock import utc_now
from kaboom.jobs.job_type import JobType
from kaboom.market.calendar import resolve_last_session
from kaboom.pipelines.request import StartRequest
from kaboom.web.auth.scopes import Scope

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


class StartResult(BaseModel):
    """The run of the session."""

    model_config = ConfigDict(extra="forbid")

    run_id: str = Field(examples=["5b0f7f0f9c1d4c0bb4a3c0a7e2f6d1aa"])
    session: str = Field(examples=["2025-11-04"])
    is_new: bool = Field(description="false if the session had a run already", examples=[True])


def check_start(request: StartRequest, _settings: "AppSettings") -> StartRequest:
    """Return the request.

    Raises:
        InvalidRequest: the session is not a trading day or has not opened.

    """
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request


START_PIPELINE = JobType(
    name="market_data.start_pipeline",
    summary="Start a run of a pipeline for a session, unless the session has one",
    notes="For schedules: the job ends as soon as the run is in the ledger.",
    request=StartRequest,
    check=check_start,
    run="kaboom.pipelines.tasks:start",
    result=StartResult,
    is_schedulable=True,
    scope=Scope.SCHEDULES_WRITE,
    example={"pipeline": "morning"},
)
