"""The digest: a kind of job without chunks."""

from datetime import date

from pydantic import BaseModel

from kaboom.jobs.job_type import JobType
from kaboom.toydigest.check import check_digest
from kaboom.toydigest.request import DigestRequest


class DigestResult(BaseModel):
    """How many symbols a market has, how many of them have a daily bar of the session, and the first of those."""

    session: date
    symbols: int
    with_bars: int
    first: list[str]


TOY_DIGEST = JobType(
    name="notifications.toy_digest",
    summary="Describe a market in a few words",
    request=DigestRequest,
    check=check_digest,
    run="kaboom.toydigest.tasks:write",
    result=DigestResult,
    is_schedulable=True,
    example={"market": "TSE_PRIME", "names": 3},
)
