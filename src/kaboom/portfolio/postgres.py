"""Portfolios in PostgreSQL, in the database of the ledger; `src/kaboom/migrations` creates the tables."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    Numeric,
    Row,
    Table,
    Text,
    func,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from kaboom.drivers.postgres.database import name_taken, too_many
from kaboom.drivers.postgres.engine import METADATA, AsyncEngine, open_connection, open_transaction, texts
from kaboom.errors import Conflict, NotFound
from kaboom.jobs.postgres.port import KEY_KEPT_H, KeyReused
from kaboom.portfolio.entry import Entry, EntryKind, number_entries
from kaboom.portfolio.model import MAX_ENTRIES, MAX_PORTFOLIOS, Booked, Draft, Once, Portfolio, too_many_entries
from kaboom.portfolio.postings import Account, balance, post

_YEN = Numeric(24, 4)

# The row is locked while entries are booked. A check constraint rejects negative cash.
PORTFOLIOS = Table(
    "portfolios",
    METADATA,
    Column("portfolio_id", Text, primary_key=True),
    *texts("owner", "name", "provider"),
    Column("lot", Integer, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("entries", Integer, nullable=False, server_default="0"),
    Column("cash", _YEN, nullable=False, server_default="0"),
    Column("deleted_at", DateTime(timezone=True)),
    Index("portfolios_of_owner", "owner", "name", unique=True),
)

# This table and the next are append-only: triggers reject updates and deletes.
ENTRIES = Table(
    "portfolio_entries",
    METADATA,
    Column("entry_id", Text, primary_key=True),
    Column("portfolio_id", Text, ForeignKey("portfolios.portfolio_id"), nullable=False),
    Column("owner", Text, nullable=False),
    Column("place", Integer, nullable=False),
    Column("day", Date, nullable=False),
    *texts("kind", "symbol"),
    Column("quantity", BigInteger, nullable=False),
    Column("price", _YEN, nullable=False),
    Column("fee", _YEN, nullable=False),
    Column("amount", _YEN, nullable=False),
    *texts("note", "reverses"),
    Column("created_at", DateTime(timezone=True), nullable=False),
    Column("created_by", Text, nullable=False),
    Index("portfolio_entries_in_order", "portfolio_id", "place", unique=True),
    Index("portfolio_entries_reversed", "reverses", unique=True, postgresql_where=text("reverses <> ''")),
)

# A deferred trigger rejects a commit in which the postings of an entry do not add up to zero.
POSTINGS = Table(
    "portfolio_postings",
    METADATA,
    Column("portfolio_id", Text, primary_key=True),
    Column("entry_id", Text, ForeignKey("portfolio_entries.entry_id"), primary_key=True),
    Column("account", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("amount", _YEN, nullable=False),
)

# The entries that an Idempotency-Key has booked, from `first_place` to `last_place`.
KEYS = Table(
    "portfolio_keys",
    METADATA,
    Column("owner", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    *texts("fingerprint", "portfolio_id"),
    Column("first_place", Integer, nullable=False),
    Column("last_place", Integer, nullable=False),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Index("portfolio_keys_age", "created_at"),
)

#: The columns of an entry, in the order of its fields.
ENTRY_COLUMNS = [ENTRIES.c[field.name] for field in fields(Entry)]


def dump_entry(portfolio: Portfolio, entry: Entry) -> dict[str, Any]:
    """Return the row of an entry."""
    values = {column.name: getattr(entry, column.name) for column in ENTRY_COLUMNS}
    return values | {
        "portfolio_id": portfolio.portfolio_id,
        "owner": portfolio.owner,
        "kind": entry.kind.value,
    }


def parse_entry(row: Row[Any]) -> Entry:
    """Return the entry that a row of ENTRY_COLUMNS holds."""
    # Unpack by position, which is faster: there may be 20,000 rows.
    entry_id, day, kind, *rest = tuple(row)
    return Entry(entry_id, day, EntryKind(kind), *rest)


def parse_portfolio(row: Row[Any]) -> Portfolio:
    """Return the portfolio that a row holds."""
    return Portfolio(**{field.name: getattr(row, field.name) for field in fields(Portfolio)})


_IS_THERE = PORTFOLIOS.c.deleted_at.is_(None)
_KEPT = text(f"interval '{KEY_KEPT_H} hours'")


class PostgresPortfolioStore:
    """`PortfolioStore` on PostgreSQL 14 or newer, in the database of the ledger."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # Requests of this process wait for their turn here, where they hold no connection of the pool.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, portfolio: Portfolio) -> Portfolio:
        names = ("portfolio_id", "owner", "name", "provider", "lot", "created_by")
        count = select(func.count()).where(PORTFOLIOS.c.owner == portfolio.owner, _IS_THERE)
        new = insert(PORTFOLIOS).values({name: getattr(portfolio, name) for name in names}).returning(PORTFOLIOS)
        async with open_transaction(self._engine, conflict=name_taken("portfolio", portfolio.name)) as connection:
            if (await connection.execute(count)).scalar_one() >= MAX_PORTFOLIOS:
                raise Conflict(too_many("portfolios", MAX_PORTFOLIOS))
            return parse_portfolio((await connection.execute(new)).one())

    async def list_portfolios(self, owner: str) -> list[Portfolio]:
        # Sort like Python, by code points, whatever the collation of the database.
        statement = select(PORTFOLIOS).where(PORTFOLIOS.c.owner == owner, _IS_THERE)
        statement = statement.order_by(PORTFOLIOS.c.name.collate("C"))
        async with open_connection(self._engine) as connection:
            return [parse_portfolio(row) for row in await connection.execute(statement)]

    async def load(self, owner: str, portfolio_id: str) -> Portfolio:
        async with open_connection(self._engine) as connection:
            return await _load(connection, owner, portfolio_id)

    async def rename(self, owner: str, portfolio_id: str, name: str) -> Portfolio:
        return await self._change(owner, portfolio_id, {"name": name})

    async def delete(self, owner: str, portfolio_id: str) -> None:
        # Its entries stay: the database rejects their deletion. No other portfolio can get this name: a name has at
        # most 80 characters.
        gone = {"name": f"{portfolio_id} {'-' * 80}", "deleted_at": func.clock_timestamp()}
        await self._change(owner, portfolio_id, gone)

    async def book(self, owner: str, portfolio_id: str, draft: Draft, *, once: Once | None = None) -> Booked:
        turn = self._turns.setdefault(portfolio_id, asyncio.Lock())
        async with turn, open_transaction(self._engine) as connection:
            portfolio = await _load(connection, owner, portfolio_id, lock=True)
            earlier = await _find_earlier(connection, owner, portfolio_id, once) if once else None
            return earlier or await _book(connection, portfolio, draft, once)

    async def load_entries(self, owner: str, portfolio_id: str) -> list[Entry]:
        async with open_connection(self._engine) as connection:
            return await _load_entries(connection, *_is_of(owner, portfolio_id))

    async def balances(self, owner: str, portfolio_id: str) -> dict[Account, Decimal]:
        of = (POSTINGS.c.owner == owner, POSTINGS.c.portfolio_id == portfolio_id)
        statement = select(POSTINGS.c.account, func.sum(POSTINGS.c.amount)).where(*of).group_by(POSTINGS.c.account)
        async with open_connection(self._engine) as connection:
            return balance([{Account(name): total} for name, total in await connection.execute(statement)])

    async def _change(self, owner: str, portfolio_id: str, values: Mapping[str, Any]) -> Portfolio:
        is_it = (PORTFOLIOS.c.owner == owner, PORTFOLIOS.c.portfolio_id == portfolio_id, _IS_THERE)
        statement = PORTFOLIOS.update().where(*is_it).values(values).returning(PORTFOLIOS)
        async with open_transaction(self._engine, conflict=name_taken("portfolio", values["name"])) as connection:
            row = (await connection.execute(statement)).one_or_none()
        if row is None:
            raise NotFound.of_id("portfolio", portfolio_id)
        return parse_portfolio(row)


async def _load(connection: AsyncConnection, owner: str, portfolio_id: str, *, lock: bool = False) -> Portfolio:
    is_it = (PORTFOLIOS.c.owner == owner, PORTFOLIOS.c.portfolio_id == portfolio_id, _IS_THERE)
    statement = select(PORTFOLIOS).where(*is_it)
    row = (await connection.execute(statement.with_for_update() if lock else statement)).one_or_none()
    if row is None:
        raise NotFound.of_id("portfolio", portfolio_id)
    return parse_portfolio(row)


async def _load_entries(connection: AsyncConnection, *where: ColumnElement[bool]) -> list[Entry]:
    rows = (await connection.execute(select(*ENTRY_COLUMNS).where(*where).order_by(ENTRIES.c.place))).all()
    # Parse in a thread: at about 3 µs per row this would block the event loop.
    return await asyncio.to_thread(lambda: [parse_entry(row) for row in rows])


async def _find_earlier(connection: AsyncConnection, owner: str, portfolio_id: str, once: Once) -> Booked | None:
    """Return the entries that the key has booked before; None if the key is new."""
    too_old = KEYS.c.created_at < func.clock_timestamp() - _KEPT
    await connection.execute(KEYS.delete().where(KEYS.c.owner == owner, too_old))
    found = await connection.execute(select(KEYS).where(KEYS.c.owner == owner, KEYS.c.key == once.key))
    kept = found.one_or_none()
    if kept is None:
        return None
    if kept.fingerprint != once.fingerprint:
        raise KeyReused
    places = ENTRIES.c.place.between(kept.first_place, kept.last_place)
    return Booked(tuple(await _load_entries(connection, *_is_of(owner, portfolio_id), places)), is_replayed=True)


async def _book(connection: AsyncConnection, portfolio: Portfolio, draft: Draft, once: Once | None) -> Booked:
    kept = await _load_entries(connection, *_is_of(portfolio.owner, portfolio.portfolio_id))
    now = (await connection.execute(select(func.clock_timestamp()))).scalar_one()
    drafted = await asyncio.to_thread(draft, portfolio, kept)
    new = [replace(entry, created_at=now) for entry in number_entries(drafted, after=portfolio.entries)]
    if not new:
        return Booked(())
    if portfolio.entries + len(new) > MAX_ENTRIES:
        raise Conflict(too_many_entries())
    if once:
        await _keep_key(connection, portfolio, once, new)
    await connection.execute(insert(ENTRIES), [dump_entry(portfolio, entry) for entry in new])
    by_id = {entry.entry_id: entry for entry in (*kept, *new)}
    posted = [(entry.entry_id, post(entry, by_id)) for entry in new]
    await connection.execute(insert(POSTINGS), _dump_postings(portfolio, posted))
    spent = balance(amounts for _, amounts in posted)[Account.CASH]
    is_it = PORTFOLIOS.c.portfolio_id == portfolio.portfolio_id
    values = {"entries": PORTFOLIOS.c.entries + len(new), "cash": PORTFOLIOS.c.cash + spent}
    await connection.execute(PORTFOLIOS.update().where(is_it).values(values))
    return Booked(tuple(new))


async def _keep_key(connection: AsyncConnection, portfolio: Portfolio, once: Once, new: Sequence[Entry]) -> None:
    values = {
        "owner": portfolio.owner,
        "key": once.key,
        "fingerprint": once.fingerprint,
        "portfolio_id": portfolio.portfolio_id,
        "first_place": new[0].place,
        "last_place": new[-1].place,
    }
    # A request on another portfolio, under another lock, may use the same key now.
    claim = insert(KEYS).values(values).on_conflict_do_nothing().returning(KEYS.c.key)
    if (await connection.execute(claim)).one_or_none() is None:
        raise KeyReused


def _dump_postings(portfolio: Portfolio, posted: Sequence[tuple[str, dict[Account, Decimal]]]) -> list[dict[str, Any]]:
    of = {"portfolio_id": portfolio.portfolio_id, "owner": portfolio.owner}
    return [
        {**of, "entry_id": entry_id, "account": account.value, "amount": amount}
        for entry_id, amounts in posted
        for account, amount in amounts.items()
    ]


def _is_of(owner: str, portfolio_id: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    return ENTRIES.c.owner == owner, ENTRIES.c.portfolio_id == portfolio_id
