"""The port to the schedules and the history of their firings."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from kaboom.jobs.model import Job
from kaboom.jobs.postgres.port import Admission, Terms
from kaboom.jobs.postgres.schedules.model import Firing, Schedule

#: Per owner. One page shows all of them, and one process fires all of them within a second.
MAX_SCHEDULES = 100
#: How many old firings of each schedule are deleted at once.
PRUNE_STEP = 100


@dataclass(frozen=True, slots=True)
class Turn:
    """The decision on one due time.

    Attributes:
        firing: the firing to record; with a job, the ledger sets its outcome.
        next_at: the schedule's next due time.
        draft: the job to admit, and its terms; None if no job is submitted.

    """

    firing: Firing
    next_at: datetime | None
    draft: tuple[Job, Terms] | None = None


@dataclass(frozen=True, slots=True)
class Fired:
    """The recorded firing, and the job that the ledger admitted for it."""

    firing: Firing
    admission: Admission | None = None


#: Decides on a due schedule, given the schedule and the store's time. It must not block.
type TakeTurn = Callable[[Schedule, datetime], Turn]
#: Returns whether a job that is unfinished in the ledger has ended, and updates the ledger.
type HasEnded = Callable[[Job], Awaitable[bool]]
#: Returns a changed schedule, given the schedule and the store's time.
type Edit = Callable[[Schedule, datetime], Schedule]


class ScheduleStore(Protocol):
    """The schedules. Each method is one transaction; all raise StoreError when the ledger is unavailable.

    With an owner and an id they raise NotFound if the schedule does not exist, or belongs to another owner.
    """

    async def add(self, schedule: Schedule) -> Schedule:
        """Save a new schedule; its next due time is computed from the store's time.

        Raises:
            Conflict: the owner has a schedule of this name, or has MAX_SCHEDULES schedules.

        """
        ...

    async def list_schedules(self, owner: str) -> list[Schedule]:
        """Return an owner's schedules by name."""
        ...

    async def load(self, owner: str, schedule_id: str) -> Schedule:
        """Return a schedule."""
        ...

    async def change(self, owner: str, schedule_id: str, edit: Edit) -> Schedule:
        """Change a schedule; no firing of it runs at the same time.

        Raises:
            Conflict: the owner has another schedule of the new name.

        """
        ...

    async def delete(self, owner: str, schedule_id: str) -> None:
        """Delete a schedule and its history; its jobs stay."""
        ...

    async def fire_due(self, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired | None:
        """Fire the schedule that has been due longest once; return None if none is due.

        The firing, its job and the schedule's next due time are saved in one transaction, and each due time only once,
        even with concurrent callers. A schedule that another caller is firing is skipped.
        """
        ...

    async def fire_now(self, owner: str, schedule_id: str, take_turn: TakeTurn, *, has_ended: HasEnded) -> Fired:
        """Fire a schedule once, even if it is not due or not enabled."""
        ...

    async def list_firings(self, schedule_id: str, *, limit: int) -> list[Firing]:
        """Return a schedule's firings, newest due time first."""
        ...

    async def last_firings(self, owner: str) -> dict[str, Firing]:
        """Return the newest firing of each of an owner's schedules, by schedule id."""
        ...

    async def prune(self, *, days: int) -> int:
        """Drop the oldest firings of each schedule that were due more than `days` days ago; return how many.

        A call drops at most `PRUNE_STEP` firings of each schedule. Concurrent calls drop different firings.
        """
        ...
