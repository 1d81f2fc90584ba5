"""The port to the outbox: webhooks to send, each born in the transaction that makes its job final."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

#: How long a delivery belongs to the process that took it; an attempt takes 15 s at most.
LEASE_S = 60.0
#: How long a delivery that has ended is kept.
KEPT_DAYS = 30


class DeliveryStatus(StrEnum):
    """Where a delivery stands."""

    WAITING = "waiting"  # its job has not ended
    PENDING = "pending"  # to be sent at `next_attempt_at`
    DELIVERED = "delivered"
    DEAD = "dead"  # given up; a replay sends it again

    @property
    def is_final(self) -> bool:
        """Whether nothing more is sent, unless somebody asks for it."""
        return self in {DeliveryStatus.DELIVERED, DeliveryStatus.DEAD}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to one receiver about one job. Times are aware UTC.

    Attributes:
        delivery_id: the `webhook-id`, the same at each attempt.
        url: may hold a signature of the receiver's: shown to its owner, never logged.
        place: grows from one delivery to the next; the cursor of a list.
        body: what is sent, to the byte; None while the job has not ended.
        attempts: attempts begun, since the last replay.
        last_status: the HTTP status of the last answer, None where there was none.

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
    """What became of an attempt; `delay_s` until the next one where the delivery is still pending."""

    status: DeliveryStatus
    http_status: int | None = None
    error: str | None = None
    delay_s: float = 0.0

    def changes(self, now: Any, later: Any) -> dict[str, Any]:
        """Return the fields that the attempt changes, given the times of its end and of the next one, or their SQL."""
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
    """Which deliveries to list, newest first; `before` is the place of the last one already seen."""

    owner: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    job_id: str | None = None
    before: int | None = None
    limit: int = 50


class Outbox(Protocol):
    """The outbox. Each method is one transaction; all raise StoreError where it cannot be reached."""

    async def register(self, job_id: str, *, url: str | None = None, parent_id: str | None = None) -> None:
        """Have a job's end delivered to `url` and to the receivers of its parent's end; once for each URL.

        A receiver that answered the parent's with 410 is left out. If the job has ended, the delivery is due now.
        """
        ...

    async def claim(self, *, limit: int, per_host: int, busy: Sequence[str]) -> list[Delivery]:
        """Take due deliveries for LEASE_S, oldest first, at most `per_host` for each host and none for `busy` ones.

        An attempt is counted. No other process gets them meanwhile; after LEASE_S they are due again.
        """
        ...

    async def save_attempt(self, delivery: Delivery, end: AttemptEnd) -> bool:
        """Keep what became of an attempt; False where the lease had run out and another attempt has begun."""
        ...

    async def list_deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """Return the deliveries that a query asks for, newest first."""
        ...

    async def load(self, owner: str, delivery_id: str) -> Delivery | None:
        """Return one delivery of an owner."""
        ...

    async def replay(self, owner: str, delivery_id: str) -> Delivery | None:
        """Make a delivery that has ended due now, with all its attempts before it; return it, None where it has not."""
        ...

    async def purge(self) -> int:
        """Drop what ended more than KEPT_DAYS ago; return how many there were."""
        ...
