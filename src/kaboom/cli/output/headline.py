"""A job in one line: its state, its times and its progress."""

from datetime import datetime
from typing import Any

from kaboom.cli.exits import BY_STATUS
from kaboom.cli.output.kinds import is_of, is_planned, unit_of
from kaboom.cli.output.text import to_jst, to_jst_line
from kaboom.jobs.model import writes_bars
from kaboom.jobs.results import OfSession
from kaboom.text.catalogue import gettext_noop
from kaboom.text.speaker import Speaker

#: Fewer items a second are shown with a digit after the point.
_WHOLE_RATE = 10


def describe_job(words: Speaker, job: dict[str, Any]) -> str:
    """Return the state of a job, its session, rows, speed and tags."""
    result, rows, seconds = job["result"], job["progress"]["rows"], runtime_s(job)
    parts = [_head(words, job)]
    if result and is_of(job, OfSession):
        session = result["session"]
        parts.append(
            words.say("session {session}" if result["is_final"] else "session {session} (not final)", session=session)
        )
    if job["progress"]["total"] and is_planned(job) and writes_bars(job["queue"], job["progress"]["rows"]):
        parts.append(words.say("{rows:,} rows", rows=rows))
    if seconds:
        name = gettext_noop("{seconds:.1f} s · {rate:,.0f} rows/s") if rows else gettext_noop("{seconds:.1f} s")
        parts.append(words.say(name, seconds=seconds, rate=rows / seconds))
    return words.say(" · ").join(filter(None, (*parts, show_tags(job))))


def show_tags(job: dict[str, Any]) -> str:
    """Return the tags of a job as text, each with its mark."""
    return " ".join(f"#{tag}" for tag in (job.get("subject") or {}).get("tags", ()))


def describe_times(words: Speaker, job: dict[str, Any]) -> str:
    """Return when a job was requested and when it ended, JST; empty if neither is known."""
    asked, ended = to_jst_line(job["requested_at"], "seconds"), to_jst_line(job["completed_at"], "seconds")
    parts = [words.say("requested {at}", at=asked) if asked else "", words.say("ended {at}", at=ended) if ended else ""]
    return words.say(" · ").join(filter(None, parts))


def describe_progress(words: Speaker, job: dict[str, Any], why: str = "") -> str:
    """Return the progress of a job and why it stands still; without items, whether it is being planned."""
    progress = job["progress"]
    if not progress["total"] or not is_planned(job):
        planned = words.say("being planned") if job["status"] not in BY_STATUS and is_planned(job) else ""
        return words.say(" · ").join(filter(None, (planned, why)))
    return words.say(" · ").join(filter(None, (*_describe_items(words, job), why)))


def _describe_items(words: Speaker, job: dict[str, Any]) -> list[str]:
    progress = job["progress"]
    settled, total = progress["done"] + progress["failed"], progress["total"]
    unit = words.code("unit", unit_of(job))
    parts = [words.say("{settled:,}/{total:,} {unit}", settled=settled, total=total, unit=unit)]
    if writes_bars(job["queue"], job["progress"]["rows"]):
        parts.append(words.say("{rows:,} rows", rows=progress["rows"]))
    if progress["rate"]:
        digits = 0 if progress["rate"] >= _WHOLE_RATE else 1
        parts.append(words.say("{rate} {unit}/s", rate=f"{progress['rate']:,.{digits}f}", unit=unit))
    if progress.get("eta_low_s") is not None:
        parts.append(_describe_range(words, progress["eta_low_s"], progress["eta_high_s"]))
    elif progress["eta_s"] is not None:
        parts.append(words.say("ETA {eta_s:.0f} s", eta_s=progress["eta_s"]))
    elif job["status"] not in BY_STATUS:
        parts.append(words.say("ETA not yet known"))
    parts.append(words.say("{failed:,} failed", failed=progress["failed"]))
    if progress.get("paused_until"):
        reason = words.detail(progress["pause_reason"] or "")
        at = to_jst(progress["paused_until"], "seconds").partition(" ")[2]
        parts.append(words.say("paused until {at} JST: {reason}", at=at, reason=reason))
    return parts


def runtime_s(job: dict[str, Any]) -> float | None:
    """Return the seconds from a job's request to its end."""
    if not job["completed_at"] or not job["requested_at"]:
        return None
    begin, end = (datetime.fromisoformat(job[name]) for name in ("requested_at", "completed_at"))
    return max((end - begin).total_seconds(), 0.001)


def _describe_range(words: Speaker, low_s: float, high_s: float) -> str:
    if round(low_s) == round(high_s):
        return words.say("ETA {eta_s:.0f} s", eta_s=low_s)
    return words.say("ETA {low_s:.0f} to {high_s:.0f} s", low_s=low_s, high_s=high_s)


def _head(words: Speaker, job: dict[str, Any]) -> str:
    status = job["status"]
    shown = words.coded("job", status) if words.is_japanese else status.upper()
    return words.say("{status}  job {job_id}", status=shown, job_id=job["job_id"])
