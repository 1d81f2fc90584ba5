"""The outbox in memory: it behaves like the PostgreSQL outbox, and is lost when the process ends."""

import itertools
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from uuid import uuid4

from kaboom.drivers.clock import Clock, utc_now
from kaboom.jobs.model import Job
from kaboom.jobs.postgres.outbox.port import (
    KEPT_DAYS,
    LEASE_S,
    AttemptEnd,
    Delivery,
    DeliveryQuery,
    DeliveryStatus,
    encode_event,
    host_of,
)


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
