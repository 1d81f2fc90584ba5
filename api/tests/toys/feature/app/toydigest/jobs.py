"""The digest: a kind of job without chunks."""

from pydantic import BaseModel

from app.jobs.job_type import JobType
from batch.toydigest.request import DigestRequest


class DigestResult(BaseModel):
    """How many symbols a market has, and the first of them."""

    symbols: int
    first: list[str]


TOY_DIGEST = JobType(
    name="notifications.toy_digest",
    summary="Describe a market in a few words",
    request=DigestRequest,
    run="app.toydigest.tasks:write",
    result=DigestResult,
    is_schedulable=True,
    example={"market": "TSE_PRIME", "names": 3},
)
