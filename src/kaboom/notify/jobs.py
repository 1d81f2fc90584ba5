"""The kind of job that sends messages; the API loads it, too, so it imports nothing heavy."""

from pydantic import BaseModel, ConfigDict, Field

from kaboom.jobs.job_type import JobType
from kaboom.notify.request import DeliverRequest
from kaboom.web.auth.scopes import Scope


class DeliverResult(BaseModel):
    """How many due messages of a channel were delivered, and how many attempts failed."""

    model_config = ConfigDict(extra="forbid")

    channel_id: str
    delivered: int
    failed: int = Field(description="attempts that failed; their messages are tried again, or are dead letters")


DELIVER = JobType(
    name="notifications.deliver",
    summary="Send the messages of a channel that are due",
    notes="Kaboom submits these jobs itself, for each channel that has something to send.",
    request=DeliverRequest,
    run="kaboom.notify.tasks:deliver",
    result=DeliverResult,
    unit="messages",
    scope=Scope.ADMIN,
    example={"channel_id": "9d8e2f3b4c5d6e7f80903f1c0f5a6b4a"},
)
