"""The tables of portfolios; `src/kaboom/migrations` creates them."""

from dataclasses import fields
from typing import Any

from sqlalchemy import BigInteger, Column, Date, DateTime, ForeignKey, Index, Integer, Numeric, Row, Table, Text, text
from sqlalchemy.sql import func

from kaboom.jobs.postgres.tables import METADATA, texts
from kaboom.portfolio.entry import Entry, EntryKind
from kaboom.portfolio.store.model import Portfolio

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
