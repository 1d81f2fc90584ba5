"""The port to the spending on models: money is reserved before a call and settled after it; answers are kept."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from kaboom.analysis.models.terms import Budget
from kaboom.jobs.postgres.events import Event, EventKind

#: For so many hours, a call that gave no answer but may have been paid is not made again by any job.
PAID_H = 24
#: The reason of a call whose worker was lost.
LOST = "its worker was lost"
#: The most old calls that one step of `Spending.prune` drops.
PRUNE_STEP = 500


@dataclass(frozen=True, slots=True)
class Question:
    """A call to a model before it is made.

    Attributes:
        key: the SHA-256 of the whole question; the same content has the same key.
        most: the most micro-dollars that it can cost.
        for_s: seconds after which a call that was not settled counts as lost.
        day: the day on whose budget it is; None for today in Japan, by the clock of the ledger.

    """

    key: str
    job_id: str
    model: str
    prompt_version: str
    most: int
    for_s: float
    day: date | None = None


@dataclass(frozen=True, slots=True)
class Settlement:
    """The result of a call: its cost in micro-dollars, and the text of its answer, if there is one."""

    cost: int
    model: str
    text: str | None = None
    prompt_tokens: int = 0
    completion_tokens: int = 0
    latency_ms: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Reserved:
    """The call may be made; `settle` it by its id."""

    call_id: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The same content was asked before: its answer, or why it has none although it may have been paid."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class InFlight:
    """The same content is being asked now."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call must not be made, and why; `is_day_spent` if no other job could make it either."""

    reason: str
    is_day_spent: bool = False


@dataclass(frozen=True, slots=True)
class Breaker:
    """An open breaker: no model is asked before `until`. `opened_at` differs for each opening."""

    reason: str
    opened_at: datetime
    until: datetime


class Spending(Protocol):
    """The ledger of spending on models. All methods raise StoreError if it is unavailable."""

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        """Reserve the most that a call can cost, atomically for all processes: no budget is ever exceeded.

        An answer that is kept costs nothing, and is returned even if the breaker is open.
        """
        ...

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        """Replace the reserved amount by the cost; a second call does nothing."""
        ...

    async def spent(self, scope: str) -> int:
        """Return the micro-dollars reserved or spent by `job:<id>` or on `day:<YYYY-MM-DD>`."""
        ...

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        """Deny all calls for some seconds; return whether the breaker was closed before."""
        ...

    async def breaker_state(self) -> Breaker | None:
        """Return the open breaker; None if it is closed. Until it closes, `opened_at` stays the same."""
        ...

    async def close_breaker(self) -> None:
        """Allow calls again, because the account has credit; does nothing if the breaker is closed."""
        ...

    async def today(self) -> date:
        """Return the day in Japan whose budget a call uses now."""
        ...

    async def prune(self, *, days: int) -> int:
        """Drop calls that are older than `days`, with their costs, at most PRUNE_STEP; return how many."""
        ...


def scopes_of(day: date, job_id: str) -> tuple[str, str]:
    """Return the scopes of a day and of a job."""
    return f"day:{day.isoformat()}", f"job:{job_id}"


def deny(question: Question, budget: Budget, *, day: int, job: int) -> Denied | None:
    """Return why a question exceeds a budget, of which `day` and `job` are used; None if it does not."""
    if job + question.most > budget.job:
        return Denied(f"the job's budget was {budget.job} micro-dollars, {job} used, {question.most} needed")
    if day + question.most > budget.day:
        reason = f"the day's budget was {budget.day} micro-dollars, {day} used, {question.most} needed"
        return Denied(reason, is_day_spent=True)
    return None


def event_of_breaker(reason: str, now: datetime) -> Event:
    """Return the event that the circuit breaker for models has opened."""
    at = int(now.timestamp())
    return Event(f"ai_budget:breaker:{at}", EventKind.AI_BUDGET, now, data={"what": "breaker", "reason": reason})


def event_of_spent_day(day: date, reason: str, now: datetime) -> Event:
    """Return the event that a call was denied because the day's budget is used up; its id is the same all day."""
    data: dict[str, str | int] = {"what": "day", "day": day.isoformat(), "reason": reason}
    return Event(f"ai_budget:day:{day}", EventKind.AI_BUDGET, now, data=data)
