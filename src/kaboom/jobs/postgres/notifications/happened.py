"""Build notification events from facts of the ledger; does no I/O."""

from collections.abc import Mapping
from datetime import date, datetime

from kaboom.jobs.model import Job
from kaboom.jobs.postgres.notifications.model import Event, EventKind
from kaboom.jobs.queues import Queue

#: Counts of an ingest, and the kind of the event for a count above 0.
_COUNTED: Mapping[str, EventKind] = {
    "corrected": EventKind.BARS_CORRECTED,
    "quarantined": EventKind.BARS_QUARANTINED,
    "actions_suspected": EventKind.SPLIT_SUSPECTED,
}
#: The most characters of an error in an event; the job has the whole error.
_MOST_TEXT = 300


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
        ended["error"] = str(job.error.get("message", ""))[:_MOST_TEXT]
    events = [Event(f"job_ended:{job.job_id}", EventKind.JOB_ENDED, at, job.owner, ended)]
    for name, kind in _COUNTED.items():
        if count := job.counts.get(name, 0):
            events.append(Event(f"{kind}:{job.job_id}", kind, at, job.owner, data | {"count": count}))
    return events


def event_of_breaker(reason: str, now: datetime) -> Event:
    """Return the event that the circuit breaker for models has opened."""
    at = int(now.timestamp())
    return Event(f"ai_budget:breaker:{at}", EventKind.AI_BUDGET, now, data={"what": "breaker", "reason": reason})


def event_of_spent_day(day: date, reason: str, now: datetime) -> Event:
    """Return the event that a call was denied because the day's budget is used up; its id is the same all day."""
    data: dict[str, str | int] = {"what": "day", "day": day.isoformat(), "reason": reason}
    return Event(f"ai_budget:day:{day}", EventKind.AI_BUDGET, now, data=data)
