"""The deliveries of webhooks and of notifications: the filters of their pages, and the marks of their states."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from kaboom.jobs.postgres.outbox import DeliveryStatus

#: The mark of each state: its kind, which selects the colour, and its shape.
MARKS: Mapping[str, tuple[str, str]] = {
    "waiting": ("idle", "wait"),
    "pending": ("run", "wait"),
    "delivered": ("ok", "ok"),
    "dead": ("bad", "bad"),
}


class DeliveryFilters(BaseModel):
    """The query of a page of deliveries."""

    status: DeliveryStatus | None = None
    cursor: int | None = Field(default=None, ge=1, le=2**63 - 1)
    done: str = Field(default="", max_length=20)
