"""When a schedule is due: by a cron expression, or at a time of day in each trading session; both in Japan time."""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time
from enum import StrEnum

from cronsim import CronSim, CronSimError

from kaboom.errors import InvalidRequest
from kaboom.market.calendar import JST, NEWEST_YEAR, is_session, next_session

_FIELDS = "minute hour day-of-month month day-of-week"
#: 09:00 or later: a session that has not opened cannot be ingested.
SESSION_AT = "^(09|1[0-9]|2[0-3]):[0-5][0-9]$"
_SESSION_AT = re.compile(SESSION_AT)


class TimingKind(StrEnum):
    """How the due times of a schedule are defined."""

    CRON = "cron"
    SESSION = "session"


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule is due, in JST: `text` is five cron fields, or the `HH:MM` in each session."""

    kind: TimingKind
    text: str


def parse_cron(text: str) -> Timing:
    """Return the timing of a cron expression; as in Debian, a star in either day field means that both must match.

    Raises:
        InvalidRequest: the text is not five valid cron fields, or names a day that never comes.

    """
    timing = Timing(TimingKind.CRON, " ".join(text.split()))
    if len(text.split()) != 5:
        raise InvalidRequest(f"cron was {text!r}, expected five fields: {_FIELDS}", pointer="/cron")
    if _next_cron(timing.text, datetime(2000, 1, 1, tzinfo=JST)) is None:
        raise InvalidRequest(f"cron was {text!r}, which matches no day of any year", pointer="/cron")
    return timing


def parse_session_at(text: str) -> Timing:
    """Return the timing of a time of day in each session.

    Raises:
        InvalidRequest: the text is not `HH:MM`, or is before the session opens.

    """
    if not _SESSION_AT.fullmatch(text):
        raise InvalidRequest(f"session_at was {text!r}, expected HH:MM from 09:00 to 23:59, JST", pointer="/session_at")
    return Timing(TimingKind.SESSION, text)


def next_due(timing: Timing, after: datetime) -> datetime | None:
    """Return the first due time after an aware time, in UTC; None after the end of the calendar of sessions.

    Raises:
        InvalidRequest: the timing's text is invalid.

    """
    local = after.astimezone(JST)
    found = _next_cron(timing.text, local) if timing.kind is TimingKind.CRON else _next_session_at(timing.text, local)
    return found.astimezone(UTC) if found else None


def next_dues(timing: Timing, after: datetime, *, count: int) -> list[datetime]:
    """Return the next due times after a time, at most `count`."""
    found: list[datetime] = []
    due_at = next_due(timing, after)
    while due_at and len(found) < count:
        found.append(due_at)
        due_at = next_due(timing, due_at)
    return found


def _next_cron(text: str, local: datetime) -> datetime | None:
    try:
        # Without a time zone, since Japan has no daylight saving time.
        found = next(CronSim(text, local.replace(tzinfo=None)), None)
    except CronSimError as e:
        raise InvalidRequest(f"cron was {text!r}: {e}; expected {_FIELDS}", pointer="/cron") from e
    except OverflowError:
        return None
    return found.replace(tzinfo=JST) if found else None


def _next_session_at(text: str, local: datetime) -> datetime | None:
    at, day = time.fromisoformat(text), local.date()
    if not is_session(day) or local >= datetime.combine(day, at, JST):
        if day.year > NEWEST_YEAR:
            return None
        day = next_session(day)
    return datetime.combine(day, at, JST) if day.year <= NEWEST_YEAR else None
