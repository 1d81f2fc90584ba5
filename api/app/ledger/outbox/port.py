"""The port to the outbox of webhooks. A webhook is created in the transaction that makes its job final."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

#: How long a claim of a delivery lasts; an attempt takes at most 15 s.
LEASE_S = 60.0
#: How long an ended delivery is kept.
KEPT_DAYS = 30


class DeliveryStatus(StrEnum):
    """The state of a delivery."""

    WAITING = "waiting"  # its job has not ended
    PENDING = "pending"  # to be sent at `next_attempt_at`
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; a replay sends it again

    @property
    def is_final(self) -> bool:
        """Whether nothing more is sent, except after a replay."""
        return self in {DeliveryStatus.DELIVERED, DeliveryStatus.DEAD}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to one receiver about one job. Times are aware UTC.

    Attributes:
        delivery_id: the `webhook-id`, the same at each attempt.
        url: may contain a signature of the receiver; it is shown to its owner and never logged.
        place: an increasing number; the cursor of a list.
        body: the exact bytes to send; None while the job has not ended.
        attempts: attempts begun, since the last replay.
        last_status: the HTTP status of the last answer; None without an answer.

    """

    delivery_id: str
    job_id: str
    owner: str
    url: str = field(repr=False)
    place: int = 0
    status: DeliveryStatus = DeliveryStatus.WAITING
    body: str | None = field(default=None, repr=False)
    attempts: int = 0
    last_status: int | None = None
    last_error: str | None = None
    created_at: datetime | None = None
    next_attempt_at: datetime | None = None
    ended_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AttemptEnd:
    """The result of an attempt; `delay_s` is the time until the next one, if the delivery is still pending."""

    status: DeliveryStatus
    http_status: int | None = None
    error: str | None = None
    delay_s: float = 0.0

    def changes(self, now: Any, later: Any) -> dict[str, Any]:
        """Return the changed fields. `now` and `later`, the time of the next attempt, are times or SQL."""
        is_final = self.status.is_final
        return {
            "status": self.status.value,
            "last_status": self.http_status,
            "last_error": self.error,
            "next_attempt_at": None if is_final else later,
            "ended_at": now if is_final else None,
        }


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """Which deliveries to list, newest first; `before` is the place of the last delivery of the previous page."""

    owner: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    job_id: str | None = None
    before: int | None = None
    limit: int = 50


class Outbox(Protocol):
    """The outbox. Each method is one transaction; all raise StoreError if the database is unavailable."""

    async def register(self, job_id: str, *, url: str | None = None, parent_id: str | None = None) -> None:
        """Deliver a job's end to `url` and to the receivers of its parent job, once for each URL.

        Receivers that answered the parent's webhook with 410 are left out. If the job has ended, delivery is due now.
        """
        ...

    async def claim(self, *, limit: int, per_host: int, busy: Sequence[str]) -> list[Delivery]:
        """Claim due deliveries for LEASE_S, oldest first, at most `per_host` for each host and none for `busy` hosts.

        This counts an attempt. Other processes do not get them until LEASE_S has passed.
        """
        ...

    async def save_attempt(self, delivery: Delivery, end: AttemptEnd) -> bool:
        """Save the result of an attempt; return False if the lease expired and another attempt has begun."""
        ...

    async def list_deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """Return the deliveries that match a query, newest first."""
        ...

    async def load(self, owner: str, delivery_id: str) -> Delivery | None:
        """Return one delivery of an owner."""
        ...

    async def replay(self, owner: str, delivery_id: str) -> Delivery | None:
        """Make an ended delivery due now, with a full set of attempts; return it, or None if it has not ended."""
        ...

    async def purge(self) -> int:
        """Delete deliveries that ended more than KEPT_DAYS ago; return how many."""
        ...
