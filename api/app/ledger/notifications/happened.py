"""The events that facts of the ledger are; pure."""

from collections.abc import Mapping
from datetime import date, datetime

from app.jobs.model import Job
from app.jobs.queues import Queue
from app.ledger.notifications.model import Event, EventKind

#: What an ingest counts, and which event a count above 0 is.
_COUNTED: Mapping[str, EventKind] = {
    "corrected": EventKind.BARS_CORRECTED,
    "quarantined": EventKind.BARS_QUARANTINED,
    "actions_suspected": EventKind.SPLIT_SUSPECTED,
}
#: A cause of a failure is shown as far as this; all of it is with the job.
_MOST_TEXT = 300


def events_of_end(job: Job, now: datetime) -> list[Event]:
    """Return what the end of a job tells: how it ended, and what it found about bars.

    A job that sends notifications tells nothing: each of its ends would be one more to send.
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
    """Return that the breaker of models was closed and has opened."""
    at = int(now.timestamp())
    return Event(f"ai_budget:breaker:{at}", EventKind.AI_BUDGET, now, data={"what": "breaker", "reason": reason})


def event_of_spent_day(day: date, reason: str, now: datetime) -> Event:
    """Return that a call was denied since the day's budget is used up; once a day."""
    data: dict[str, str | int] = {"what": "day", "day": day.isoformat(), "reason": reason}
    return Event(f"ai_budget:day:{day}", EventKind.AI_BUDGET, now, data=data)
