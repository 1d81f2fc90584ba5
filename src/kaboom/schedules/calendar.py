"""The calendar of schedules: for each day what was due and what became of it, and what will be due; pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from kaboom.market.calendar import JST, is_session
from kaboom.schedules.schemas import FiringView, ScheduleDetail

#: From the Monday of the last week to the Sunday of the next one.
_DAYS = 21
#: An outcome is shown rather than those after it.
_WORST = ("refused", "missed", "skipped", "joined", "fired")


@dataclass(frozen=True, slots=True)
class Cell:
    """One schedule on one day.

    Attributes:
        count: its due times that the API lists.
        firing: the worst of the due times that have passed, None if none has.
        due: the first due time that is still to come.
        is_known: false if the day is beyond the due times that the API lists.

    """

    count: int
    firing: FiringView | None
    due: datetime | None
    is_known: bool


@dataclass(frozen=True, slots=True)
class Day:
    """A day of the calendar in Japan; `is_closed`: the exchange has no session."""

    on: date
    is_today: bool
    is_closed: bool


def list_days(now: datetime) -> list[Day]:
    """Return the days of the calendar."""
    today = now.astimezone(JST).date()
    first = today - timedelta(days=today.weekday() + 7)
    days = (first + timedelta(days=n) for n in range(_DAYS))
    return [Day(on, on == today, not is_session(on)) for on in days]


def fill_days(schedule: ScheduleDetail, days: Iterable[Day], *, listed: tuple[int, int]) -> list[Cell]:
    """Return the cell of a schedule for each day; `listed` are how many past and coming due times the API lists."""
    due = schedule.next_due if schedule.is_enabled else []
    oldest = _day(schedule.firings[-1].due_at) if len(schedule.firings) == listed[0] else date.min
    newest = _day(due[-1]) if len(due) == listed[1] else date.max
    return [_fill(day.on, schedule.firings, due, is_known=oldest <= day.on <= newest) for day in days]


def _fill(on: date, firings: Sequence[FiringView], due: Sequence[datetime], *, is_known: bool) -> Cell:
    passed = [firing for firing in firings if _day(firing.due_at) == on]
    coming = [at for at in due if _day(at) == on]
    worst = min(passed, key=lambda firing: _WORST.index(firing.outcome), default=None)
    return Cell(len(passed) + len(coming), worst, coming[0] if coming else None, is_known)


def _day(at: datetime) -> date:
    return at.astimezone(JST).date()
