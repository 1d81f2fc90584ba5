"""What is spent on models, in this process, gone with it."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

from app.ledger.notifications.happened import event_of_breaker, event_of_spent_day
from app.ledger.notifications.model import Event
from batch.analysis.models.spending import (
    Denied,
    InFlight,
    Kept,
    Question,
    Reserved,
    Settlement,
    deny,
    scopes_of,
)
from batch.analysis.models.terms import Budget
from batch.kit.clock import Clock, utc_now


@dataclass(slots=True)
class _Call:
    question: Question
    expires_at: datetime
    settlement: Settlement | None = None


class MemorySpending:
    """`Spending` in memory; `note` is told of a breaker that opens and of a day that is spent."""

    def __init__(
        self, clock: Clock = utc_now, *, note: Callable[[Sequence[Event]], None] = lambda _events: None
    ) -> None:
        self._clock = clock
        self._note = note
        self._used: Counter[str] = Counter()
        self._calls: dict[str, _Call] = {}
        self._breaker: tuple[str, datetime] | None = None

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        now = self._clock()
        same = [call for call in self._calls.values() if call.question.key == question.key]
        kept = [call.settlement for call in same if call.settlement and call.settlement.text is not None]
        if kept:
            return Kept(kept[-1])
        if any(call.settlement is None and call.expires_at > now for call in same):
            return InFlight()
        if self._breaker and self._breaker[1] > now:
            return Denied(f"the breaker is open: {self._breaker[0]}")
        day, job = scopes_of(question)
        if denied := deny(question, budget, day=self._used[day], job=self._used[job]):
            if denied.is_day_spent:
                self._note([event_of_spent_day(question.day, denied.reason, now)])
            return denied
        call_id = uuid4().hex
        self._calls[call_id] = _Call(question, now + timedelta(seconds=question.for_s))
        for scope in (day, job):
            self._used[scope] += question.most
        return Reserved(call_id)

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        call = self._calls.get(call_id)
        if call is None or call.settlement is not None:
            return
        call.settlement = settlement
        for scope in scopes_of(call.question):
            self._used[scope] += settlement.cost - call.question.most

    async def spent(self, scope: str) -> int:
        return self._used[scope]

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        now = self._clock()
        was_closed = self._breaker is None or self._breaker[1] <= now
        self._breaker = (reason, now + timedelta(seconds=for_s))
        if was_closed:
            self._note([event_of_breaker(reason, now)])
        return was_closed
