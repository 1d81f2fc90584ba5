"""The port to the schedules and the history of their firings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from app.jobs.model import Job
from app.ledger.port import Admission, Terms
from app.ledger.schedules.model import Firing, Schedule

#: One page shows them all, and one process fires them all within a second.
MAX_SCHEDULES = 100
#: How many old firings of each schedule are dropped at once.
PRUNE_STEP = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be done about one due time.

    Attributes:
        firing: what to record; with a job, its outcome is what the ledger makes of it.
        next_at: the schedule's next due time.
        draft: the job to admit, and on what terms; None where nothing is to be submitted.

    """

    firing: Firing
    next_at: datetime | None
    draft: tuple[Job, Terms] | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """What was done: the recorded firing, and the job that the ledger admitted for it."""

    firing: Firing
    admission: Admission | None = None


#: Decides on a schedule that is due, from it and the store's time. It may not wait.
type TakeTurn = Callable[[Schedule, datetime], Turn]
#: Tells of an unfinished job of the ledger whether it has ended, which the ledger knows then.
type HasEnded = Callable[[Job], Awaitable[bool]]
#: Returns a changed schedule, from it and the store's time.
type Edit = Callable[[Schedule, datetime], Schedule]


class ScheduleStore(Protocol):
    """The schedules. Each method is one transaction; all raise StoreError where the database cannot be reached."""

    async def add(self, schedule: Schedule) -> Schedule:
        """Keep a new schedule, armed from the store's time.

        Raises:
            Conflict: the owner has one of that name, or as many as are allowed.

        """
        ...

    async def list_schedules(self, owner: str) -> list[Schedule]:
        """Return an owner's schedules by name."""
        ...

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        """Return a schedule.

        Raises:
            NotFound: no such schedule, or somebody else's.

        """
        ...

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        """Change a schedule while nothing fires it.

        Raises:
            NotFound: no such schedule, or somebody else's.
            Conflict: the owner has another of the new name.

        """
        ...

    async def delete(self, owner: str, schedule_id: str) -> None:
        """Drop a schedule and its history; its jobs stay.

        Raises:
            NotFound: no such schedule, or somebody else's.

        """
        ...

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        """Take one turn of the schedule that has been due longest; None where none is due.

        The firing, its job and the schedule's next due time are kept together or not at all, and each due time once,
        however many call at once. A schedule that another caller is about to fire is passed over.
        """
        ...

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        """Take a turn of a schedule that need not be due nor enabled.

        Raises:
            NotFound: no such schedule, or somebody else's.

        """
        ...

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        """Return a schedule's firings, newest due time first."""
        ...

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        """Return the firing with the newest due time of each of an owner's schedules that has any, by schedule id."""
        ...

    async def prune(self, *, days: int) -> int:
        """Drop the oldest firings of each schedule that were due more than `days` ago; return how many.

        At most `PRUNE_STEP` of each at a time. Others that prune at the same time drop other firings.
        """
        ...


def not_found(schedule_id: str) -> str:
    """Return what is said of a schedule that is not there."""
    return f"schedule {schedule_id} does not exist"


def name_taken(name: str) -> str:
    """Return what is said of a name that is taken."""
    return f"a schedule named {name!r} exists already: choose another name, or change that one"


def too_many() -> str:
    """Return what is said of one schedule more than allowed."""
    return f"{MAX_SCHEDULES} schedules exist, which is the limit: delete one first"
