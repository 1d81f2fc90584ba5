"""Open the disclosures of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Collection, Sequence
from datetime import datetime

from kaboom.disclosures.model import DisclosureStore, in_order, new_versions, newest_notices
from kaboom.drivers.postgres.database import Database
from kaboom.market.disclosure import CompanyEvent, Disclosures, Statement


def open_disclosures(database: Database) -> DisclosureStore:
    """Return the disclosures of a database."""
    if database.engine is None:
        return MemoryDisclosureStore()
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.disclosures.postgres import PostgresDisclosureStore  # noqa: PLC0415

    return PostgresDisclosureStore(database.engine)


class MemoryDisclosureStore:
    """`DisclosureStore` in memory."""

    def __init__(self) -> None:
        self._statements: dict[str, list[Statement]] = {}
        self._events: dict[str, list[CompanyEvent]] = {}

    async def save(self, provider: str, found: Disclosures, *, now: datetime) -> int:
        statements, events = self._statements.setdefault(provider, []), self._events.setdefault(provider, [])
        more = new_versions({(row.symbol, row.document): row for row in statements}, found.statements, now)
        further = new_versions({(row.symbol, row.document): row for row in events}, found.events, now)
        statements += more
        events += further
        return len(more) + len(further)

    async def list_statements(self, provider: str, symbol: str, *, as_of: datetime, limit: int) -> list[Statement]:
        known = _known(self._statements.get(provider, ()), as_of)
        mine = [row for row in known if row.symbol == symbol]
        return sorted(mine, key=lambda row: (row.disclosed_at, row.document), reverse=True)[:limit]

    async def list_versions(
        self, provider: str, *, since: datetime, as_of: datetime, symbols: Collection[str] | None = None
    ) -> list[Statement]:
        known = (row for row in self._statements.get(provider, ()) if row.known_at and since <= row.known_at <= as_of)
        return in_order(row for row in known if symbols is None or row.symbol in symbols)

    async def list_events(self, provider: str, symbol: str, *, as_of: datetime) -> list[CompanyEvent]:
        return newest_notices(row for row in _known(self._events.get(provider, ()), as_of) if row.symbol == symbol)


def _known[R: (Statement, CompanyEvent)](rows: Sequence[R], as_of: datetime) -> list[R]:
    # A later version stands later in the list.
    newest = {(row.symbol, row.document): row for row in rows if row.known_at and row.known_at <= as_of}
    return list(newest.values())
