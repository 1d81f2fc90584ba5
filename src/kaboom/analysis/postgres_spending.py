"""The spending on AI models in PostgreSQL: all processes make reservations one at a time, under a lock."""

import asyncio
from collections.abc import Iterable
from datetime import date, timedelta
from uuid import uuid4

from sqlalchemy import BigInteger, Column, Date, DateTime, Index, Integer, Table, Text, case, func, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

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
    deny,
    event_of_breaker,
    event_of_spent_day,
    scopes_of,
)
from kaboom.analysis.models.terms import Budget
from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, open_connection, open_transaction, texts
from kaboom.jobs.postgres.postgres_outbox import note

#: Micro-dollars reserved or spent in each scope: `day:<YYYY-MM-DD>` and `job:<id>`.
AI_SPENDING = Table(
    "ai_spending",
    METADATA,
    Column("scope", Text, primary_key=True),
    Column("used", BigInteger, nullable=False, server_default="0"),
)

#: Calls of models. No foreign key: the spending stays when its job is deleted.
AI_CALLS = Table(
    "ai_calls",
    METADATA,
    Column("call_id", Text, primary_key=True),
    *texts("key", "job_id"),
    Column("day", Date, nullable=False),
    *texts("model", "prompt_version"),
    Column("reserved", BigInteger, nullable=False),
    Column("cost", BigInteger),
    Column("prompt_tokens", Integer, nullable=False, server_default="0"),
    Column("completion_tokens", Integer, nullable=False, server_default="0"),
    Column("latency_ms", Integer, nullable=False, server_default="0"),
    Column("answer", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Column("settled_at", DateTime(timezone=True)),
    Index("ai_calls_kept", "key", postgresql_where=text("answer IS NOT NULL OR settled_at IS NULL")),
    Index("ai_calls_by_job", "job_id"),
    Index("ai_calls_by_key", "key"),
    Index("ai_calls_by_age", "created_at"),
)

#: The circuit breaker: until the time in `until`, no model is called.
AI_BREAKERS = Table(
    "ai_breakers",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("reason", Text, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
    Column("opened_at", DateTime(timezone=True)),
)


_C, _S, _B = AI_CALLS.c, AI_SPENDING.c, AI_BREAKERS.c
#: The advisory lock of reservations.
_LOCK = 0x6B61_6921
_BREAKER = "openrouter"
_COUNTS = ("prompt_tokens", "completion_tokens", "latency_ms")
#: How many transactions of a process may wait for the lock; the others wait in the process, and hold no connection.
_AT_ONCE = 2
#: The date in Japan by the clock of PostgreSQL, so that a worker whose clock is wrong uses the same day as the others.
_TODAY = text("SELECT (clock_timestamp() AT TIME ZONE 'Asia/Tokyo')::date")
_PRUNE = text("""
DELETE FROM ai_calls WHERE call_id IN (
    SELECT call_id FROM ai_calls
    WHERE created_at < clock_timestamp() - make_interval(days => :days)
      AND (settled_at IS NOT NULL OR expires_at < clock_timestamp())
    ORDER BY created_at LIMIT :step FOR UPDATE SKIP LOCKED
) RETURNING job_id, day
""")
_PRUNE_SCOPES = text("""
DELETE FROM ai_spending AS s WHERE s.scope = ANY(:scopes) AND NOT EXISTS (
    SELECT FROM ai_calls AS c WHERE c.job_id = substr(s.scope, 5) OR to_char(c.day, 'YYYY-MM-DD') = substr(s.scope, 5)
)
""")


class PostgresSpending:
    """`Spending` on PostgreSQL 14 or newer."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._turn = asyncio.Semaphore(_AT_ONCE)

    async def reserve(self, question: Question, budget: Budget) -> Reserved | Kept | InFlight | Denied:
        async with self._turn, open_transaction(self._engine) as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            return await _find_call(connection, question) or await _reserve(connection, question, budget)

    async def settle(self, call_id: str, settlement: Settlement) -> None:
        values = {name: getattr(settlement, name) for name in ("cost", "model", *_COUNTS)}
        values |= {"answer": _storable(settlement.text), "reason": _storable(settlement.reason)}
        values["settled_at"] = func.clock_timestamp()
        update = AI_CALLS.update().where(_C.call_id == call_id, _C.settled_at.is_(None)).values(values)
        async with self._turn, open_transaction(self._engine) as connection:
            found = (await connection.execute(update.returning(_C.reserved, _C.day, _C.job_id))).one_or_none()
            if found is not None:
                scopes = scopes_of(found.day, found.job_id)
                await _add(connection, scopes, settlement.cost - found.reserved)

    async def spent(self, scope: str) -> int:
        async with open_connection(self._engine) as connection:
            used = await connection.execute(select(_S.used).where(_S.scope == scope))
            return used.scalar_one_or_none() or 0

    async def open_breaker(self, reason: str, *, for_s: float) -> bool:
        now = func.clock_timestamp()
        async with open_transaction(self._engine) as connection:
            await connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
            was = await _find_breaker(connection)
            opened_at = was.opened_at if was else now
            values = {"reason": _storable(reason), "until": now + timedelta(seconds=for_s), "opened_at": opened_at}
            added = insert(AI_BREAKERS).values(name=_BREAKER, **values)
            await connection.execute(added.on_conflict_do_update(index_elements=[_B.name], set_=values))
            if was is None:
                await note(connection, [event_of_breaker(_storable(reason) or "", utc_now())])
            return was is None

    async def breaker_state(self) -> Breaker | None:
        async with open_connection(self._engine) as connection:
            return await _find_breaker(connection)

    async def close_breaker(self) -> None:
        async with open_transaction(self._engine) as connection:
            await connection.execute(AI_BREAKERS.delete().where(_B.name == _BREAKER))

    async def today(self) -> date:
        async with open_connection(self._engine) as connection:
            return await _read_today(connection)

    async def prune(self, *, days: int) -> int:
        async with open_transaction(self._engine) as connection:
            dropped = (await connection.execute(_PRUNE, {"days": days, "step": PRUNE_STEP})).all()
            scopes = {scope for row in dropped for scope in scopes_of(row.day, row.job_id)}
            if scopes:
                await connection.execute(_PRUNE_SCOPES, {"scopes": sorted(scopes)})
            return len(dropped)


async def _find_call(connection: AsyncConnection, question: Question) -> Kept | InFlight | None:
    now = func.clock_timestamp()
    is_kept, is_waiting = _C.answer.is_not(None), _C.settled_at.is_(None) & (_C.expires_at > now)
    may_be_paid = (_C.settled_at.is_(None) | (_C.cost > 0)) & (_C.created_at > now - timedelta(hours=PAID_H))
    newest = (
        select(AI_CALLS, is_waiting.label("is_waiting"))
        .where(_C.key == question.key, is_kept | is_waiting | may_be_paid)
        .order_by(case((is_kept, 0), (is_waiting, 1), else_=2), _C.created_at.desc())
        .limit(1)
    )
    row = (await connection.execute(newest)).one_or_none()
    if row is None:
        return None
    if row.is_waiting:
        return InFlight()
    if row.settled_at is None:
        return Kept(Settlement(row.reserved, row.model, reason=LOST))
    counts = {name: getattr(row, name) for name in _COUNTS}
    return Kept(Settlement(row.cost, row.model, row.answer, **counts, reason=row.reason))


async def _reserve(connection: AsyncConnection, question: Question, budget: Budget) -> Reserved | Denied:
    if breaker := await _find_breaker(connection):
        return Denied(f"the breaker is open: {breaker.reason}")
    booked_on = question.day or await _read_today(connection)
    day, job = scopes_of(booked_on, question.job_id)
    rows = await connection.execute(select(_S.scope, _S.used).where(_S.scope.in_([day, job])).with_for_update())
    used = {row.scope: row.used for row in rows}
    if denied := deny(question, budget, day=used.get(day, 0), job=used.get(job, 0)):
        if denied.is_day_spent:
            await note(connection, [event_of_spent_day(booked_on, denied.reason, utc_now())])
        return denied
    await _add(connection, [day, job], question.most)
    call_id = uuid4().hex
    values = {name: getattr(question, name) for name in ("key", "job_id", "model", "prompt_version")}
    values |= {"day": booked_on, "reserved": question.most}
    expires_at = func.clock_timestamp() + timedelta(seconds=question.for_s)
    await connection.execute(AI_CALLS.insert().values(call_id=call_id, expires_at=expires_at, **values))
    return Reserved(call_id)


async def _find_breaker(connection: AsyncConnection) -> Breaker | None:
    open_ = select(AI_BREAKERS).where(_B.name == _BREAKER, _B.until > func.clock_timestamp())
    row = (await connection.execute(open_)).one_or_none()
    # The previous release did not write `opened_at`; its breaker closes within an hour.
    return None if row is None else Breaker(row.reason, row.opened_at or row.until, row.until)


async def _read_today(connection: AsyncConnection) -> date:
    today: date = (await connection.execute(_TODAY)).scalar_one()
    return today


async def _add(connection: AsyncConnection, scopes: Iterable[str], amount: int) -> None:
    # Update in a fixed order, so that two settlements cannot deadlock.
    for scope in sorted(scopes):
        added = insert(AI_SPENDING).values(scope=scope, used=amount)
        await connection.execute(
            added.on_conflict_do_update(index_elements=[_S.scope], set_={"used": _S.used + added.excluded.used})
        )


def _storable(text: str | None) -> str | None:
    """Return a text that PostgreSQL accepts: NUL is replaced. A valid answer has no NUL."""
    return None if text is None else text.replace("\0", "\N{REPLACEMENT CHARACTER}")
