"""The screens and their results in PostgreSQL, in the database of the ledger; `kaboom migrate` makes the tables."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Column, Date, DateTime, ForeignKey, Integer, Row, Table, Text, UniqueConstraint, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import too_many
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.errors import Conflict
from kaboom.jobs.postgres.postgres_outbox import note
from kaboom.screens.model import MAX_SCREENS, Change, Passed, Screen, check_same, compare, events_of, miss_screen

_NOW = func.clock_timestamp()

SCREENS = Table(
    "screens",
    METADATA,
    Column("screen_id", Text, primary_key=True),
    *texts("owner", "name", "expression", "provider"),
    Column("market", Text),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    Column("updated_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
    UniqueConstraint("owner", "name", name="screens_name"),
)

PASSED = Table(
    "screen_sessions",
    METADATA,
    Column("screen_id", Text, ForeignKey("screens.screen_id", ondelete="CASCADE"), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("symbols", JSONB, nullable=False),
    Column("seen", Integer, nullable=False),
    Column("unknown", Integer, nullable=False),
    Column("computed_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)


class PostgresScreenStore:
    """`ScreenStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def save(self, screen: Screen) -> tuple[Screen, bool]:
        values = {name: getattr(screen, name) for name in ("owner", "name", "expression", "provider", "market")}
        mine = _named(screen.owner, screen.name)
        async with open_transaction(self._engine) as connection:
            old = (await connection.execute(select(SCREENS).where(*mine).with_for_update())).one_or_none()
            if old is not None:
                if _parse(old).meaning != screen.meaning:
                    await connection.execute(PASSED.delete().where(PASSED.c.screen_id == old.screen_id))
                change = SCREENS.update().where(*mine).values(values | {"updated_at": _NOW}).returning(SCREENS)
                return _parse((await connection.execute(change)).one()), False
            count = select(func.count()).where(SCREENS.c.owner == screen.owner)
            if (await connection.execute(count)).scalar_one() >= MAX_SCREENS:
                raise Conflict(too_many("screens", MAX_SCREENS))
            new = insert(SCREENS).values(values | {"screen_id": screen.screen_id}).returning(SCREENS)
            return _parse((await connection.execute(new)).one()), True

    async def list_screens(self, owner: str) -> list[Screen]:
        statement = select(SCREENS).where(SCREENS.c.owner == owner).order_by(SCREENS.c.name.collate("C"))
        return [_parse(row) for row in await self._statements.fetch(statement)]

    async def load(self, owner: str, name: str) -> Screen:
        rows = await self._statements.fetch(select(SCREENS).where(*_named(owner, name)))
        return _parse(rows[0]) if rows else miss_screen(name)

    async def delete(self, owner: str, name: str) -> None:
        if not await self._statements.execute(SCREENS.delete().where(*_named(owner, name))):
            miss_screen(name)

    async def save_passed(self, screen: Screen, passed: Passed) -> Change | None:
        ours = PASSED.c.screen_id == screen.screen_id
        values = {
            "symbols": list(passed.symbols), "seen": passed.seen, "unknown": passed.unknown, "computed_at": _NOW,
        }  # fmt: skip
        async with open_transaction(self._engine) as connection:
            # The lock keeps two results of one screen apart.
            one = select(SCREENS).where(*_named(screen.owner, screen.name)).with_for_update()
            row = (await connection.execute(one)).one_or_none()
            if row is None:
                miss_screen(screen.name)
            check_same(screen, _parse(row))
            earlier = select(PASSED).where(ours, PASSED.c.session < passed.session)
            before = (await connection.execute(earlier.order_by(PASSED.c.session.desc()).limit(1))).one_or_none()
            later = select(PASSED.c.session).where(ours, PASSED.c.session > passed.session).limit(1)
            change = compare(passed, _parse_passed(before) if before else None)
            if (await connection.execute(later)).first() is None:
                await note(connection, events_of(screen, passed, change, utc_now()))
            key = {"screen_id": screen.screen_id, "session": passed.session}
            new = insert(PASSED).values(key | values)
            await connection.execute(new.on_conflict_do_update(index_elements=list(key), set_=values))
        return change

    async def list_passed(self, screen: Screen, *, limit: int) -> Sequence[Passed]:
        found = select(PASSED).where(PASSED.c.screen_id == screen.screen_id).order_by(PASSED.c.session.desc())
        return [_parse_passed(row) for row in await self._statements.fetch(found.limit(limit))]


def _named(owner: str, name: str) -> tuple[Any, Any]:
    return SCREENS.c.owner == owner, SCREENS.c.name == name


def _parse(row: Row[Any]) -> Screen:
    names = ("screen_id", "owner", "name", "expression", "provider", "market", "created_at", "updated_at")
    return Screen(**{name: getattr(row, name) for name in names})


def _parse_passed(row: Row[Any]) -> Passed:
    return Passed(row.session, tuple(row.symbols), row.seen, row.unknown, row.computed_at)
