"""What is spent on models, in the ledger's PostgreSQL: reservations are made one at a time, by all processes."""

import asyncio
from datetime import timedelta
from uuid import uuid4

from sqlalchemy import case, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from app.ledger.notifications.happened import event_of_breaker, event_of_spent_day
from app.ledger.notifications.postgres_log import note
from app.ledger.spending.tables import AI_BREAKERS, AI_CALLS, AI_SPENDING
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
from batch.kit.clock import utc_now
from batch.kit.postgres.engine import AsyncEngine, postgres_errors

_C, _S, _B = AI_CALLS.c, AI_SPENDING.c, AI_BREAKERS.c
#: The advisory lock of reservations.
_LOCK = 0x6B61_6921
_BREAKER = "openrouter"
#: So many transactions of a process wait for the lock; the others wait here, and hold no connection.
_AT_ONCE = 2


class PostgresSpending:
    """`Spending` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        async with self._turn:
            with postgres_errors():
                async with self._engine.begin() as connection:
                    await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                    return await _find_call(connection, question) or await _reserve(connection, question, budget)

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        values = {
            "cost": settlement.cost,
            "model": settlement.model,
            "answer": _storable(settlement.text),
            "prompt_tokens": settlement.prompt_tokens,
            "completion_tokens": settlement.completion_tokens,
            "latency_ms": settlement.latency_ms,
            "reason": _storable(settlement.reason),
            "settled_at": func.clock_timestamp(),
        }
        update = AI_CALLS.update().where(_C.call_id == call_id, _C.settled_at.is_(None)).values(values)
        async with self._turn:
            with postgres_errors():
                async with self._engine.begin() as connection:
                    found = (await connection.execute(update.returning(_C.reserved, _C.day, _C.job_id))).one_or_none()
                    if found is not None:
                        scopes = [f"day:{found.day.isoformat()}", f"job:{found.job_id}"]
                        await _add(connection, scopes, settlement.cost - found.reserved)

    async def spent(self, scope: str) -> int:
        with postgres_errors():
            async with self._engine.connect() as connection:
                used = await connection.execute(select(_S.used).where(_S.scope == scope))
                return used.scalar_one_or_none() or 0

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        until = func.clock_timestamp() + timedelta(seconds=for_s)
        with postgres_errors():
            async with self._engine.begin() as connection:
                await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
                was_open = await _find_breaker(connection) is not None
                added = insert(AI_BREAKERS).values(name=_BREAKER, reason=_storable(reason), until=until)
                await connection.execute(
                    added.on_conflict_do_update(
                        index_elements=[_B.name], set_={"reason": added.excluded.reason, "until": added.excluded.until}
                    )
                )
                if not was_open:
                    await note(connection, [event_of_breaker(_storable(reason) or "", utc_now())])
                return not was_open


async def _find_call(connection: AsyncConnection, question: Question) -> Kept | InFlight | None:
    is_kept, is_waiting = _C.answer.is_not(None), _C.settled_at.is_(None) & (_C.expires_at > func.clock_timestamp())
    newest = (
        select(AI_CALLS)
        .where(_C.key == question.key, is_kept | is_waiting)
        .order_by(case((is_kept, 0), else_=1), _C.settled_at.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).one_or_none()
    if row is None:
        return None
    if row.answer is None:
        return InFlight()
    return Kept(
        Settlement(
            cost=row.cost,
            model=row.model,
            text=row.answer,
            prompt_tokens=row.prompt_tokens,
            completion_tokens=row.completion_tokens,
            latency_ms=row.latency_ms,
        )
    )


async def _reserve(connection: AsyncConnection, question: Question, budget: Budget) -> Reserved | Denied:
    if reason := await _find_breaker(connection):
        return Denied(f"the breaker is open: {reason}")
    day, job = scopes_of(question)
    rows = await connection.execute(select(_S.scope, _S.used).where(_S.scope.in_([day, job])).with_for_update())
    used = {row.scope: row.used for row in rows}
    if denied := deny(question, budget, day=used.get(day, 0), job=used.get(job, 0)):
        if denied.is_day_spent:
            await note(connection, [event_of_spent_day(question.day, denied.reason, utc_now())])
        return denied
    await _add(connection, [day, job], question.most)
    call_id = uuid4().hex
    values = {name: getattr(question, name) for name in ("key", "job_id", "day", "model", "prompt_version")}
    expires_at = func.clock_timestamp() + timedelta(seconds=question.for_s)
    added = AI_CALLS.insert().values(call_id=call_id, reserved=question.most, expires_at=expires_at, **values)
    await connection.execute(added)
    return Reserved(call_id)


async def _find_breaker(connection: AsyncConnection) -> str | None:
    open_ = select(_B.reason).where(_B.name == _BREAKER, _B.until > func.clock_timestamp())
    reason: str | None = (await connection.execute(open_)).scalar_one_or_none()
    return reason


async def _add(connection: AsyncConnection, scopes: list[str], amount: int) -> None:
    # In one order, so that two settlements never wait for each other.
    for scope in sorted(scopes):
        added = insert(AI_SPENDING).values(scope=scope, used=amount)
        await connection.execute(
            added.on_conflict_do_update(index_elements=[_S.scope], set_={"used": _S.used + added.excluded.used})
        )


def _storable(text: str | None) -> str | None:
    """Return a text that PostgreSQL takes: without NUL, which no answer that passes the checks has."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")
