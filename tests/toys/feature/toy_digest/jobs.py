"""The toy digest: a kind of job without chunks."""

from datetime import date
from typing import TYPE_CHECKING

from pydantic import BaseModel, Field

from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.job_type import JobType
from kaboom.market.calendar import resolve_last_session
from kaboom.toy_digest.request import ToyDigestRequest

if TYPE_CHECKING:
    from kaboom.settings import AppSettings


class ToyDigestResult(BaseModel):
    """How many symbols a market has, how many of them have a daily bar of the session, and the first of those."""

    session: date = Field(examples=["2025-11-04"])
    symbols: int = Field(examples=[1602])
    with_bars: int = Field(examples=[2])
    first: list[str] = Field(examples=[["1301", "1332"]])


def check_toy_digest(request: ToyDigestRequest, settings: "AppSettings") -> ToyDigestRequest:
    """Return the request with its provider filled in.

    Raises:
        InvalidRequest: the market has no list of symbols, or the session is not a trading day or has not opened.

    """
    if not request.market.is_tse:
        raise InvalidRequest(f"market was {request.market}, expected one with a list of symbols", pointer="/market")
    resolve_last_session(request.session, utc_now(), is_tse=True, delay_s=0)
    return request.filled(provider=request.provider or settings.provider)


TOY_DIGEST = JobType(
    name="market_data.toy_digest",
    summary="Describe a market in a few words",
    request=ToyDigestRequest,
    check=check_toy_digest,
    run="kaboom.toy_digest.tasks:run_toy_digest",
    result=ToyDigestResult,
    is_schedulable=True,
    example={"market": "TSE_PRIME", "names": 3},
)
