"""The disclosures in PostgreSQL, in the database of the ledger; `kaboom migrate` makes the tables."""

from collections.abc import Collection, Sequence
from dataclasses import asdict, fields
from datetime import datetime
from itertools import batched
from typing import Any

from sqlalchemy import Boolean, Column, Date, DateTime, Double, Row, Select, Table, Text, func, select
from sqlalchemy.dialects.postgresql import distinct_on, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.disclosures.model import in_order, new_versions, newest_notices
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, Statements, open_transaction, texts
from kaboom.market.disclosure import FIGURES, CompanyEvent, CompanyEventKind, Disclosures, Statement

#: Rows of a statement: PostgreSQL takes at most 65,535 values in one.
_BATCH = 500
_NAMES = {kind: tuple(field.name for field in fields(kind)) for kind in (Statement, CompanyEvent)}


def _key() -> list[Column[Any]]:
    names = [Column(name, Text, primary_key=True) for name in ("provider", "symbol", "document")]
    return [*names, Column("known_at", DateTime(timezone=True), primary_key=True)]


def _moments() -> list[Column[Any]]:
    noted_at = Column("noted_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())
    return [Column("disclosed_at", DateTime(timezone=True), nullable=False), noted_at]


STATEMENTS = Table(
    "statements",
    METADATA,
    *_key(),
    *texts("kind", "period"),
    *(Column(name, Date) for name in ("period_end", "year_end", "forecast_year_end")),
    *(Column(name, Double) for name in FIGURES),
    *_moments(),
)

EVENTS = Table(
    "company_events",
    METADATA,
    *_key(),
    *texts("kind", "subject", "period"),
    Column("day", Date),
    Column("amount", Double),
    *(Column(name, Boolean, nullable=False) for name in ("is_forecast", "is_withdrawn")),
    *_moments(),
)


class PostgresDisclosureStore:
    """`DisclosureStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._statements = Statements(engine)

    async def save(self, provider: str, found: Disclosures, *, now: datetime) -> int:
        written = 0
        async with open_transaction(self._engine) as connection:
            for statements in batched(found.statements, _BATCH):
                written += await _add(connection, STATEMENTS, provider, statements, now)
            for events in batched(found.events, _BATCH):
                written += await _add(connection, EVENTS, provider, events, now)
        return written

    async def list_statements(self, provider: str, symbol: str, *, as_of: datetime, limit: int) -> list[Statement]:
        known = _known(STATEMENTS, provider, as_of).where(STATEMENTS.c.symbol == symbol).subquery()
        ordered = select(known).order_by(known.c.disclosed_at.desc(), known.c.document.collate("C").desc())
        return [_parse(row, Statement) for row in await self._statements.fetch(ordered.limit(limit))]

    async def list_versions(
        self, provider: str, *, since: datetime, as_of: datetime, symbols: Collection[str] | None = None
    ) -> list[Statement]:
        known = select(STATEMENTS).where(STATEMENTS.c.provider == provider, STATEMENTS.c.known_at.between(since, as_of))
        if symbols is not None:
            known = known.where(STATEMENTS.c.symbol.in_(symbols))
        return in_order(_parse(row, Statement) for row in await self._statements.fetch(known))

    async def list_events(self, provider: str, symbol: str, *, as_of: datetime) -> list[CompanyEvent]:
        known = _known(EVENTS, provider, as_of).where(EVENTS.c.symbol == symbol)
        return newest_notices([_parse(row, CompanyEvent) for row in await self._statements.fetch(known)])


async def _add[R: (Statement, CompanyEvent)](
    connection: AsyncConnection, table: Table, provider: str, rows: Sequence[R], now: datetime
) -> int:
    documents = select(table).ext(distinct_on(table.c.symbol, table.c.document)).where(
        table.c.provider == provider,
        table.c.symbol.in_({row.symbol for row in rows}),
        table.c.document.in_({row.document for row in rows}),
    )  # fmt: skip
    newest = documents.order_by(table.c.symbol, table.c.document, table.c.known_at.desc())
    found = [_parse(row, type(rows[0])) for row in await connection.execute(newest)]
    added = new_versions({(row.symbol, row.document): row for row in found}, rows, now)
    if added:
        # Another worker may have read the same document.
        new = insert(table).on_conflict_do_nothing()
        await connection.execute(new, [{"provider": provider} | asdict(row) for row in added])
    return len(added)


def _known(table: Table, provider: str, as_of: datetime) -> Select[Any]:
    """Return the newest version of each document that is known by a moment."""
    found = select(table).ext(distinct_on(table.c.symbol, table.c.document))
    known = found.where(table.c.provider == provider, table.c.known_at <= as_of)
    return known.order_by(table.c.symbol, table.c.document, table.c.known_at.desc())


def _parse[R: (Statement, CompanyEvent)](row: Row[Any], kind: type[R]) -> R:
    values = {name: getattr(row, name) for name in _NAMES[kind]}
    if kind is CompanyEvent:
        values["kind"] = CompanyEventKind(values["kind"])
    return kind(**values)
