"""A job in one line: its state, its times and its progress."""

from datetime import datetime
from typing import Any

from kaboom.cli.exits import BY_STATUS
from kaboom.cli.output.kinds import is_of, is_planned, unit_of
from kaboom.cli.output.times import to_jst, to_jst_line
from kaboom.jobs.queues import writes_bars
from kaboom.jobs.results import OfSession
from kaboom.text.speaker import Speaker

#: Fewer items a second are shown with a digit after the point.
_WHOLE_RATE = 10


def describe_job(words: Speaker, job: dict[str, Any]) -> str:
    """Return the state of a job, its session, rows and speed."""
    result, rows, seconds = job["result"], job["progress"]["rows"], runtime_s(job)
    parts = [_head(words, job)]
    if result and is_of(job, OfSession):
        name = "job_session" if result["is_final"] else "job_session_open"
        parts.append(words.say(name, session=result["session"]))
    if job["progress"]["total"] and is_planned(job) and writes_bars(job):
        parts.append(words.say("job_rows", rows=rows))
    if seconds:
        name = "job_speed" if rows else "job_took"
        parts.append(words.say(name, seconds=seconds, rate=rows / seconds))
    return words.say("join").join(parts)


def describe_times(words: Speaker, job: dict[str, Any]) -> str:
    """Return when a job was requested and when it ended, JST; empty if neither is known."""
    named = {"job_requested": "requested_at", "job_ended": "completed_at"}
    times = [(name, to_jst_line(job[field], "seconds")) for name, field in named.items()]
    return words.say("join").join(words.say(name, at=at) for name, at in times if at)


def describe_progress(words: Speaker, job: dict[str, Any], why: str = "") -> str:
    """Return the progress of a job and why it stands still; without items, whether it is being planned."""
    progress = job["progress"]
    if not progress["total"] or not is_planned(job):
        planned = words.say("progress_planned") if job["status"] not in BY_STATUS and is_planned(job) else ""
        return words.say("join").join(filter(None, (planned, why)))
    return words.say("join").join(filter(None, (*_describe_items(words, job), why)))


def _describe_items(words: Speaker, job: dict[str, Any]) -> list[str]:
    progress = job["progress"]
    settled, total = progress["done"] + progress["failed"], progress["total"]
    unit = words.say(unit_of(job))
    parts = [words.say("progress_done", settled=settled, total=total, unit=unit)]
    if writes_bars(job):
        parts.append(words.say("job_rows", rows=progress["rows"]))
    if progress["rate"]:
        digits = 0 if progress["rate"] >= _WHOLE_RATE else 1
        parts.append(words.say("progress_rate", rate=f"{progress['rate']:,.{digits}f}", unit=unit))
    if progress.get("eta_low_s") is not None:
        parts.append(_describe_range(words, progress["eta_low_s"], progress["eta_high_s"]))
    elif progress["eta_s"] is not None:
        parts.append(words.say("progress_eta", eta_s=progress["eta_s"]))
    elif job["status"] not in BY_STATUS:
        parts.append(words.say("progress_no_eta"))
    parts.append(words.say("progress_failed", failed=progress["failed"]))
    if progress.get("paused_until"):
        reason = words.detail(progress["pause_reason"] or "")
        at = to_jst(progress["paused_until"], "seconds").partition(" ")[2]
        parts.append(words.say("progress_paused", at=at, reason=reason))
    return parts


def runtime_s(job: dict[str, Any]) -> float | None:
    """Return the seconds from a job's request to its end."""
    if not job["completed_at"] or not job["requested_at"]:
        return None
    begin, end = (datetime.fromisoformat(job[name]) for name in ("requested_at", "completed_at"))
    return max((end - begin).total_seconds(), 0.001)


def _describe_range(words: Speaker, low_s: float, high_s: float) -> str:
    if round(low_s) == round(high_s):
        return words.say("progress_eta", eta_s=low_s)
    return words.say("progress_eta_range", low_s=low_s, high_s=high_s)


def _head(words: Speaker, job: dict[str, Any]) -> str:
    status = job["status"]
    shown = words.coded("job", status) if words.is_japanese else status.upper()
    return words.say("job_head", status=shown, job_id=job["job_id"])
