"""The kind of job that runs a saved screen and keeps what passed; the API loads it, too."""

from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

from kaboom.drivers.clock import utc_now
from kaboom.jobs.job_type import JobType
from kaboom.market.calendar import resolve_last_session
from kaboom.screens.request import ScreenRequest

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


class ScreenResult(BaseModel):
    """What passed a screen in a session."""

    model_config = ConfigDict(extra="forbid")

    screen: str = Field(examples=["oversold"])
    expression: str = Field(examples=["rsi_14 < 30 and close > sma_75"])
    session: str = Field(examples=["2025-11-04"])
    provider: str = Field(description="whose daily bars", examples=["synthetic"])
    seen: int = Field(description="symbols with a bar in the session", examples=[1651])
    unknown: int = Field(description="symbols whose history was too short to say", examples=[3])
    passed: int = Field(examples=[12])
    symbols: list[str] = Field(description="those that passed, by turnover, at most `limit`", examples=[["7203"]])
    entered: list[str] | None = Field(
        description="passed, and did not in the session before; null without one", examples=[["7203"]]
    )
    left: list[str] | None = Field(description="passed in the session before, and not now", examples=[[]])


def check_screen(request: ScreenRequest, _settings: "AppSettings") -> ScreenRequest:
    """Return the request.

    Raises:
        InvalidRequest: the session is not a trading day or has not opened.

    """
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request


SCREEN = JobType(
    name="market_data.screen",
    summary="Run a saved screen over a market, and keep what passed",
    notes="What entered and left since the session before is in the result; a rule of notifications may tell of it.",
    request=ScreenRequest,
    check=check_screen,
    run="kaboom.screens.tasks:run_screen",
    result=ScreenResult,
    is_schedulable=True,
    example={"screen": "oversold"},
)
