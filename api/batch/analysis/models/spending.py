"""The port to what is spent on models: money is reserved before a call and settled after it; answers are kept."""

from dataclasses import dataclass
from datetime import date
from typing import Protocol

from batch.analysis.models.terms import Budget


@dataclass(frozen=True, slots=True)
class Question:
    """A call to a model before it is made.

    Attributes:
        key: the SHA-256 of all that is asked; the same content has the same key.
        day: the day in Japan on whose budget it is.
        most: the most micro-dollars that it can cost.
        for_s: seconds after which a call that was not settled counts as lost, and may be made again.

    """

    key: str
    job_id: str
    day: date
    model: str
    prompt_version: str
    most: int
    for_s: float


@dataclass(frozen=True, slots=True)
class Settlement:
    """What became of a call: its cost in micro-dollars, and the text of its answer, if there is one."""

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
    """The same content was asked before: its answer."""

    settlement: Settlement


@dataclass(frozen=True, slots=True)
class InFlight:
    """The same content is being asked now."""


@dataclass(frozen=True, slots=True)
class Denied:
    """The call must not be made, and why; `is_day_spent` where no other job could make it either."""

    reason: str
    is_day_spent: bool = False


class Spending(Protocol):
    """What is spent on models. All methods raise StoreError where it cannot be reached."""

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        """Reserve the most that a call can cost, in one step for all processes: neither budget is ever passed.

        An answer that is kept costs nothing, also where the breaker is open.
        """
        ...

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        """Replace what was reserved by what it cost; a second time does nothing."""
        ...

    async def spent(self, scope: str) -> int:
        """Return the micro-dollars reserved or spent by `job:<id>` or on `day:<YYYY-MM-DD>`."""
        ...

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        """Deny all calls for some seconds; return whether the breaker was closed before."""
        ...


def scopes_of(question: Question) -> tuple[str, str]:
    """Return the scopes of the day and of the job on whose budgets a question is."""
    return f"day:{question.day.isoformat()}", f"job:{question.job_id}"


def deny(question: Question, budget: Budget, *, day: int, job: int) -> Denied | None:
    """Return why a question is over a budget of which so much is used; None where it is not."""
    if job + question.most > budget.job:
        return Denied(f"the job's budget was {budget.job} micro-dollars, {job} used, {question.most} needed")
    if day + question.most > budget.day:
        reason = f"the day's budget was {budget.day} micro-dollars, {day} used, {question.most} needed"
        return Denied(reason, is_day_spent=True)
    return None
