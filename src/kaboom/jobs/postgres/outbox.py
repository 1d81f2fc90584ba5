"""The outbox of webhooks, each released in the transaction that makes its job final: the port, and in memory."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from http import HTTPStatus
from typing import Any, Protocol, Self
from urllib.parse import urlsplit
from uuid import uuid4

import orjson

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.reply import Reply
from kaboom.jobs.callbacks.webhooks import Verdict
from kaboom.jobs.model import Job, jobs_path


def encode_event(job: Job) -> str:
    """Return the body for a final job; every attempt sends the same."""
    here = f"{jobs_path(job.queue)}/{job.job_id}"
    ended_at = job.completed_at or datetime.now(UTC)
    event = {
        "type": f"{job.queue}.job.{job.status}",
        "timestamp": ended_at.astimezone(UTC).isoformat(),
        "data": {
            "job_id": job.job_id,
            "status": job.status.value,
            "parent_id": job.parent_id,
            "links": {"self": here, "failures": f"{here}/failures"},
        },
    }
    return orjson.dumps(event).decode()


def host_of(url: str) -> str:
    """Return the host and port of a URL; a courier limits its deliveries to each host."""
    return urlsplit(url).netloc.lower()


#: How long a delivery belongs to the process that claimed it; an attempt takes 15 s at most.
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
        """Whether nothing more is sent, except by a replay."""
        return self in {DeliveryStatus.DELIVERED, DeliveryStatus.DEAD}


@dataclass(frozen=True, slots=True)
class Delivery:
    """One webhook to one receiver about one job. Times are aware UTC.

    Attributes:
        delivery_id: the `webhook-id`, the same for each attempt.
        url: may contain a secret of the receiver: shown to its owner, never logged.
        place: the sort key and the cursor of lists; a newer delivery has a higher one.
        body: the exact bytes that are sent; None while the job has not ended.
        attempts: attempts started since the last replay.
        last_status: the HTTP status of the last answer; None if there was none.

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
    """The result of an attempt; `delay_s` is the time until the next one if the delivery is still pending."""

    status: DeliveryStatus
    http_status: int | None = None
    error: str | None = None
    delay_s: float = 0.0

    @classmethod
    def of(cls, reply: Reply, verdict: Verdict) -> Self:
        """Return the result of an attempt with this reply and the verdict on it."""
        is_over = DeliveryStatus.DELIVERED if verdict.is_delivered else DeliveryStatus.DEAD
        status = is_over if verdict.delay_s is None else DeliveryStatus.PENDING
        return cls(status, reply.status, verdict.error, verdict.delay_s or 0.0)

    def changes(self, now: Any) -> dict[str, Any]:
        """Return the fields that an attempt changes; `now` is its end, as a time or as SQL."""
        is_final = self.status.is_final
        return {
            "status": self.status.value,
            "last_status": self.http_status,
            "last_error": self.error,
            "next_attempt_at": None if is_final else now + timedelta(seconds=self.delay_s),
            "ended_at": now if is_final else None,
        }


@dataclass(frozen=True, slots=True)
class DeliveryQuery:
    """The deliveries to list, newest first; `before` is the place of the last delivery already seen."""

    owner: str
    statuses: frozenset[DeliveryStatus] = frozenset()
    job_id: str | None = None
    before: int | None = None
    limit: int = 50


class Outbox(Protocol):
    """The outbox. Each method is one transaction; all raise StoreError when the ledger is unavailable."""

    async def register(self, job_id: str, *, url: str | None = None, parent_id: str | None = None) -> None:
        """Register `url` and the receivers of the parent's end for a job's end; each URL gets it once.

        A receiver that answered 410 for the parent is left out. If the job has ended, the delivery is due now.
        """
        ...

    async def claim(self, *, limit: int, per_host: int, busy: Sequence[str]) -> list[Delivery]:
        """Claim due deliveries for LEASE_S, oldest first, at most `per_host` per host, and none for `busy` hosts.

        This counts an attempt. No other process gets the deliveries until LEASE_S is over; then they are due again.
        """
        ...

    async def save_attempt(self, delivery: Delivery, end: AttemptEnd) -> bool:
        """Save the result of an attempt; return False if the lease had expired and another attempt has started."""
        ...

    async def list_deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        """Return the deliveries that match a query, newest first."""
        ...

    async def load(self, owner: str, delivery_id: str) -> Delivery | None:
        """Return one delivery of an owner."""
        ...

    async def replay(self, owner: str, delivery_id: str) -> Delivery | None:
        """Make an ended delivery due now, and reset its attempts; return it, or None if it has not ended."""
        ...

    async def purge(self) -> int:
        """Drop deliveries that ended more than KEPT_DAYS ago; return how many."""
        ...


class MemoryOutbox:
    """`Outbox` in memory, beside a memory ledger's jobs."""

    def __init__(self, jobs: Mapping[str, Job], clock: Clock = utc_now) -> None:
        self._jobs = jobs
        self._clock = clock
        self._places = itertools.count(1)
        self._kept: dict[str, Delivery] = {}

    async def register(self, job_id: str, *, url: str | None = None, parent_id: str | None = None) -> None:
        job = self._jobs.get(job_id)
        if job is None:
            return
        urls = [] if url is None else [url]
        urls += [d.url for d in self._kept.values() if d.job_id == parent_id and d.last_status != HTTPStatus.GONE]
        known = {d.url for d in self._kept.values() if d.job_id == job_id}
        for each in dict.fromkeys(urls):
            if each not in known:
                self._add(job, each)
        if job.status.is_final:
            self.release(job)

    def release(self, job: Job) -> None:
        """Make the deliveries of a job due."""
        for delivery in list(self._kept.values()):
            if delivery.job_id == job.job_id and delivery.status is DeliveryStatus.WAITING:
                self._put(self._due(replace(delivery, body=encode_event(job))))

    async def claim(self, *, limit: int, per_host: int, busy: Sequence[str]) -> list[Delivery]:
        now = self._clock()
        due = [d for d in self._kept.values() if d.next_attempt_at and d.next_attempt_at <= now]
        taken: list[Delivery] = []
        turns: Counter[str] = Counter()
        for delivery in sorted(due, key=lambda d: (d.next_attempt_at, d.place)):
            host = host_of(delivery.url)
            if host in busy or turns[host] >= per_host or len(taken) >= limit:
                continue
            turns[host] += 1
            lease_ends = now + timedelta(seconds=LEASE_S)
            taken.append(self._put(replace(delivery, attempts=delivery.attempts + 1, next_attempt_at=lease_ends)))
        return sorted(taken, key=lambda d: d.place)

    async def save_attempt(self, delivery: Delivery, end: AttemptEnd) -> bool:
        kept = self._kept.get(delivery.delivery_id)
        if kept is None or (kept.status, kept.attempts) != (DeliveryStatus.PENDING, delivery.attempts):
            return False
        self._put(replace(kept, **end.changes(self._clock()) | {"status": end.status}))
        return True

    async def list_deliveries(self, query: DeliveryQuery) -> list[Delivery]:
        found = [delivery for delivery in self._kept.values() if _matches(delivery, query)]
        return sorted(found, key=lambda d: d.place, reverse=True)[: query.limit]

    async def load(self, owner: str, delivery_id: str) -> Delivery | None:
        delivery = self._kept.get(delivery_id)
        return delivery if delivery and delivery.owner == owner else None

    async def replay(self, owner: str, delivery_id: str) -> Delivery | None:
        delivery = await self.load(owner, delivery_id)
        if delivery is None or not delivery.status.is_final:
            return None
        return self._put(self._due(replace(delivery, attempts=0, ended_at=None)))

    async def purge(self) -> int:
        limit = self._clock() - timedelta(days=KEPT_DAYS)
        old = [d.delivery_id for d in self._kept.values() if d.ended_at and d.ended_at < limit]
        for delivery_id in old:
            del self._kept[delivery_id]
        return len(old)

    def _add(self, job: Job, url: str) -> None:
        place, delivery_id = next(self._places), f"msg_{uuid4().hex}"
        self._put(Delivery(delivery_id, job.job_id, job.owner, url, place, created_at=self._clock()))

    def _due(self, delivery: Delivery) -> Delivery:
        return replace(delivery, status=DeliveryStatus.PENDING, next_attempt_at=self._clock())

    def _put(self, delivery: Delivery) -> Delivery:
        self._kept[delivery.delivery_id] = delivery
        return delivery


def _matches(delivery: Delivery, query: DeliveryQuery) -> bool:
    return (
        delivery.owner == query.owner
        and (not query.statuses or delivery.status in query.statuses)
        and query.job_id in {None, delivery.job_id}
        and (query.before is None or delivery.place < query.before)
    )
