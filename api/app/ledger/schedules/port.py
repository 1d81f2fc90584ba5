"""The port to the schedules and the history of their firings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.jobs.model import Job
from app.ledger.port import Admission, Terms
from app.ledger.schedules.model import Firing, Schedule

#: Few enough for one page, and for one process to fire all within a second.
MAX_SCHEDULES = 100
#: How many old firings of each schedule are deleted at once.
PRUNE_STEP = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """What to do at one due time.

    Attributes:
        firing: the record of this due time; if a job is submitted, the ledger sets its outcome.
        next_at: the schedule's next due time.
        draft: the job to submit, and its terms; None to submit nothing.

    """

    firing: Firing
    next_at: datetime | None
    draft: tuple[Job, Terms] | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """The saved firing, and the job that was admitted for it."""

    firing: Firing
    admission: Admission | None = None


#: Decides what a due schedule does, from the schedule and the store's time. It must not wait.
type TakeTurn = Callable[[Schedule, datetime], Turn]
#: Returns whether a job, unfinished in the ledger, has ended; updates the ledger.
type HasEnded = Callable[[Job], Awaitable[bool]]
#: Returns the changed schedule, from the old one and the store's time.
type Edit = Callable[[Schedule, datetime], Schedule]


class ScheduleStore(Protocol):
    """The schedules. Each method is one transaction; all raise StoreError if the database is unavailable."""

    async def add(self, schedule: Schedule) -> Schedule:
        """Save a new schedule; its first due time follows the store's time.

        Raises:
            Conflict: the owner has a schedule of that name, or already MAX_SCHEDULES.

        """
        ...

    async def list_schedules(self, owner: str) -> list[Schedule]:
        """Return an owner's schedules by name."""
        ...

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        """Return a schedule.

        Raises:
            NotFound: there is no such schedule, or it has another owner.

        """
        ...

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        """Change a schedule; it is locked against firing meanwhile.

        Raises:
            NotFound: there is no such schedule, or it has another owner.
            Conflict: the owner has another schedule of the new name.

        """
        ...

    async def delete(self, owner: str, schedule_id: str) -> None:
        """Delete a schedule and its history; its jobs stay.

        Raises:
            NotFound: there is no such schedule, or it has another owner.

        """
        ...

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        """Fire the schedule that has been due longest; return None if none is due.

        The firing, its job and the next due time are saved in one transaction. Each due time is fired once, even with
        concurrent calls. A schedule that another caller is firing is skipped.
        """
        ...

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        """Fire a schedule now, even if it is not due or disabled.

        Raises:
            NotFound: there is no such schedule, or it has another owner.

        """
        ...

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        """Return a schedule's firings, newest due time first."""
        ...

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        """Return the firing with the newest due time of each of an owner's schedules that has any, by schedule id."""
        ...

    async def prune(self, *, days: int) -> int:
        """Delete the oldest firings of each schedule that were due more than `days` ago; return how many.

        At most `PRUNE_STEP` of each schedule. Concurrent calls delete different firings.
        """
        ...


def not_found(schedule_id: str) -> str:
    """Return the error message for an unknown schedule."""
    return f"schedule {schedule_id} does not exist"


def name_taken(name: str) -> str:
    """Return the error message for a name that is in use."""
    return f"a schedule named {name!r} exists already: choose another name, or change that one"


def too_many() -> str:
    """Return the error message for too many schedules."""
    return f"{MAX_SCHEDULES} schedules exist, which is the limit: delete one first"
