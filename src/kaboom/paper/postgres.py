"""The paper books in PostgreSQL, in the database of the ledger; `kaboom migrate` makes the tables."""

from collections.abc import Mapping
from datetime import date
from typing import Any

from sqlalchemy import Column, Date, DateTime, Float, ForeignKey, Integer, Row, Table, Text, bindparam, func, select
from sqlalchemy.dialects.postgresql import JSONB, insert

from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.errors import NotFound
from kaboom.paper.model import PaperBook, PaperSession

_NOW = func.clock_timestamp()

BOOKS = Table(
    "paper_books",
    METADATA,
    Column("portfolio_id", Text, ForeignKey("portfolios.portfolio_id", ondelete="CASCADE"), primary_key=True),
    *texts("owner"),
    Column("terms", JSONB, nullable=False),
    Column("started_on", Date, nullable=False),
    Column("cash", Float(53), nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)

SESSIONS = Table(
    "paper_sessions",
    METADATA,
    Column("portfolio_id", Text, ForeignKey("paper_books.portfolio_id", ondelete="CASCADE"), primary_key=True),
    Column("session", Date, primary_key=True),
    Column("equity", Float(53), nullable=False),
    Column("backtest_equity", Float(53), nullable=False),
    Column("fills", Integer, nullable=False),
    Column("waiting", JSONB, nullable=False),
    Column("orders", JSONB, nullable=False),
    Column("booked_at", DateTime(timezone=True), nullable=False, server_default=_NOW),
)
_BOOK = ("portfolio_id", "owner", "terms", "started_on", "cash", "created_at")
_SESSION = ("session", "equity", "backtest_equity", "fills", "waiting", "orders", "booked_at")


class PostgresPaperStore:
    """`PaperStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def load(self, owner: str, portfolio_id: str) -> PaperBook | None:
        mine = (BOOKS.c.owner == owner, BOOKS.c.portfolio_id == portfolio_id)
        rows = await self._statements.fetch(select(BOOKS).where(*mine))
        return _parse_book(rows[0]) if rows else None

    async def start(self, book: PaperBook) -> PaperBook:
        values = {name: getattr(book, name) for name in _BOOK if name != "created_at"}
        async with open_transaction(self._engine) as connection:
            await connection.execute(insert(BOOKS).values(values).on_conflict_do_nothing())
            one = select(BOOKS).where(BOOKS.c.portfolio_id == book.portfolio_id)
            return _parse_book((await connection.execute(one)).one())

    async def save(self, book: PaperBook, session: PaperSession) -> None:
        values = {name: getattr(session, name) for name in _SESSION if name != "booked_at"}
        values["orders"] = list(session.orders)
        new = insert(SESSIONS).values(values | {"portfolio_id": book.portfolio_id}).on_conflict_do_nothing()
        async with open_transaction(self._engine) as connection:
            # The lock keeps the book from being deleted meanwhile.
            one = select(BOOKS.c.portfolio_id).where(BOOKS.c.portfolio_id == book.portfolio_id).with_for_update()
            if (await connection.execute(one)).one_or_none() is None:
                raise NotFound.of_id("portfolio", book.portfolio_id)
            await connection.execute(new)

    async def compare(self, book: PaperBook, equity: Mapping[date, float]) -> None:
        if not equity:
            return
        ours = (SESSIONS.c.portfolio_id == book.portfolio_id, SESSIONS.c.session == bindparam("day"))
        change = SESSIONS.update().where(*ours).values(backtest_equity=bindparam("yen"))
        async with open_transaction(self._engine) as connection:
            await connection.execute(change, [{"day": day, "yen": yen} for day, yen in equity.items()])

    async def list_sessions(self, book: PaperBook, *, limit: int) -> list[PaperSession]:
        ours = select(SESSIONS).where(SESSIONS.c.portfolio_id == book.portfolio_id)
        rows = await self._statements.fetch(ours.order_by(SESSIONS.c.session.desc()).limit(limit))
        return [PaperSession(**{name: getattr(row, name) for name in _SESSION}) for row in rows]


def _parse_book(row: Row[Any]) -> PaperBook:
    return PaperBook(**{name: getattr(row, name) for name in _BOOK})
