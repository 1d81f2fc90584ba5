"""The events that notifications report: what they are, which a job's end makes, and the outbox that keeps them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from kaboom.drivers.postgres.database import Database
from kaboom.jobs.model import Job, Queue


class EventKind(StrEnum):
    """The kind of an event; `kaboom.text.tables` has the titles."""

    JOB_ENDED = "job_ended"
    DATA_INCOMPLETE = "data_incomplete"
    BARS_CORRECTED = "bars_corrected"
    BARS_QUARANTINED = "bars_quarantined"
    SPLIT_SUSPECTED = "split_suspected"
    AI_BUDGET = "ai_budget"
    PROVIDER_BLOCKED = "provider_blocked"
    WORKER_LOST = "worker_lost"
    LOGIN_STORM = "login_storm"
    PIPELINE_ENDED = "pipeline_ended"
    SCREEN_ENTERED = "screen_entered"
    ALERT = "alert"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened once.

    Attributes:
        event_id: built from the facts, so that it is the same for every process that reports the event, each time.
        owner: the owner whose rules apply; "" if the rules of all owners apply.
        data: short texts and numbers, which the filters of rules check.

    """

    event_id: str
    kind: EventKind
    at: datetime
    owner: str = ""
    data: Mapping[str, str | int] = field(default_factory=dict)


#: Counts of an ingest, and the kind of the event for a count above 0.
_COUNTED: Mapping[str, EventKind] = {
    "corrected": EventKind.BARS_CORRECTED,
    "quarantined": EventKind.BARS_QUARANTINED,
    "actions_suspected": EventKind.SPLIT_SUSPECTED,
}
#: The most characters of a text in an event, such as an error; the job has the whole error.
MOST_TEXT = 300


class EventOutbox(Protocol):
    """The events that wait for the notifications; an event of the ledger is saved in the transaction of its fact."""

    async def note(self, events: Sequence[Event]) -> None:
        """Save events if any rule is enabled; an event whose id is already saved stays unchanged.

        Raises:
            StoreError: the ledger is unavailable.

        """
        ...


class MemoryEventOutbox:
    """`EventOutbox` in memory; `is_read` tells whether any rule is enabled."""

    def __init__(self, *, is_read: Callable[[], bool] = lambda: False) -> None:
        self.is_read = is_read
        #: All events, and those that are not routed yet, by id.
        self.kept: dict[str, Event] = {}
        self.new: dict[str, Event] = {}

    async def note(self, events: Sequence[Event]) -> None:
        self.note_now(events)

    def note_now(self, events: Sequence[Event]) -> None:
        """Save events without waiting, together with the fact that they report."""
        if self.is_read():
            for event in events:
                if event.event_id not in self.kept:
                    self.kept[event.event_id] = self.new[event.event_id] = event


def open_memory_events(database: Database) -> MemoryEventOutbox:
    """Return the outbox of a database in memory."""
    del database
    return MemoryEventOutbox()


def events_of_end(job: Job, now: datetime) -> list[Event]:
    """Return the events of a job's end: how it ended, and what it found about bars.

    A job that sends notifications has no events: each end would cause another notification.
    """
    if job.queue == Queue.NOTIFICATIONS:
        return []
    at = job.completed_at or now
    data: dict[str, str | int] = {"job_id": job.job_id, "queue": job.queue, "task": job.task}
    data |= {name: str(job.request[name]) for name in ("market", "provider", "kind") if job.request.get(name)}
    if isinstance(session := (job.plan or {}).get("session"), str):
        data["session"] = session
    ended = data | {"status": job.status.value, "done": job.done, "failed": job.failed, "total": job.total}
    if job.error:
        ended["error"] = str(job.error.get("message", ""))[:MOST_TEXT]
    events = [Event(f"job_ended:{job.job_id}", EventKind.JOB_ENDED, at, job.owner, ended)]
    for name, kind in _COUNTED.items():
        if count := job.counts.get(name, 0):
            events.append(Event(f"{kind}:{job.job_id}", kind, at, job.owner, data | {"count": count}))
    return events
