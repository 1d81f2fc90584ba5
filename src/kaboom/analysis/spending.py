"""Open the spending on AI models of a database; in memory it ends with the process."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import uuid4

from kaboom.analysis.models.spending import (
    LOST,
    PAID_H,
    PRUNE_STEP,
    Breaker,
    Denied,
    InFlight,
    Kept,
    Question,
    Reserved,
    Settlement,
    Spending,
    deny,
    event_of_breaker,
    event_of_spent_day,
    scopes_of,
)
from kaboom.analysis.models.terms import Budget
from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.postgres.database import Database
from kaboom.jobs.postgres.events import Event, open_memory_events
from kaboom.market.calendar import JST


def open_spending(database: Database) -> Spending:
    """Return the spending of a database."""
    if database.engine is None:
        return MemorySpending(note=database.open(open_memory_events).note_now)
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.analysis.postgres_spending import PostgresSpending  # noqa: PLC0415

    return PostgresSpending(database.engine)


@dataclass(slots=True)
class _Call:
    question: Question
    day: date
    made_at: datetime
    settlement: Settlement | None = None

    @property
    def scopes(self) -> tuple[str, str]:
        return scopes_of(self.day, self.question.job_id)

    def is_waiting(self, now: datetime) -> bool:
        return self.settlement is None and now < self.made_at + timedelta(seconds=self.question.for_s)

    def kept(self, now: datetime) -> Settlement | None:
        """Return the settlement that a second call with the same content gets; None if it must ask again."""
        found = self.settlement or Settlement(self.question.most, self.question.model, reason=LOST)
        is_recent = now < self.made_at + timedelta(hours=PAID_H)
        return found if found.text is not None or (found.cost and is_recent) else None


class MemorySpending:
    """`Spending` in memory; `note` receives the events of a breaker that opens and of a used-up daily budget."""

    def __init__(
        self, clock: Clock = utc_now, *, note: Callable[[Sequence[Event]], None] = lambda _events: None
    ) -> None:
        self._clock = clock
        self._note = note
        self._used: Counter[str] = Counter()
        self._calls: dict[str, _Call] = {}
        self._breaker: Breaker | None = None

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        now = self._clock()
        if found := self._find(question.key, now):
            return found
        if breaker := await self.breaker_state():
            return Denied(f"the breaker is open: {breaker.reason}")
        call = _Call(question, question.day or await self.today(), now)
        day, job = call.scopes
        if denied := deny(question, budget, day=self._used[day], job=self._used[job]):
            if denied.is_day_spent:
                self._note([event_of_spent_day(call.day, denied.reason, now)])
            return denied
        call_id = uuid4().hex
        self._calls[call_id] = call
        for scope in call.scopes:
            self._used[scope] += question.most
        return Reserved(call_id)

    def _find(self, key: str, now: datetime) -> Kept | InFlight | None:
        same = [call for call in self._calls.values() if call.question.key == key]
        found = [kept for call in same if not call.is_waiting(now) and (kept := call.kept(now))]
        answered = [kept for kept in found if kept.text is not None]
        if answered:
            return Kept(answered[-1])
        if any(call.is_waiting(now) for call in same):
            return InFlight()
        return Kept(found[-1]) if found else None

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        call = self._calls.get(call_id)
        if call is None or call.settlement is not None:
            return
        call.settlement = settlement
        for scope in call.scopes:
            self._used[scope] += settlement.cost - call.question.most

    async def spent(self, scope: str) -> int:
        return self._used[scope]

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        now, was = self._clock(), await self.breaker_state()
        self._breaker = Breaker(reason, was.opened_at if was else now, now + timedelta(seconds=for_s))
        if was is None:
            self._note([event_of_breaker(reason, now)])
        return was is None

    async def breaker_state(self) -> Breaker | None:
        return self._breaker if self._breaker and self._breaker.until > self._clock() else None

    async def close_breaker(self) -> None:
        self._breaker = None

    async def today(self) -> date:
        return self._clock().astimezone(JST).date()

    async def prune(self, *, days: int) -> int:
        now, limit = self._clock(), self._clock() - timedelta(days=days)
        old = [key for key, call in self._calls.items() if call.made_at < limit and not call.is_waiting(now)]
        dropped = [self._calls.pop(key) for key in old[:PRUNE_STEP]]
        left = {scope for call in self._calls.values() for scope in call.scopes}
        for scope in {scope for call in dropped for scope in call.scopes} - left:
            del self._used[scope]
        return len(dropped)
