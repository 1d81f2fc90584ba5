"""The port to the store of disclosures, whose rows are added and never changed.

The first version of a document counts from its disclosure on. A provider that later gives other figures for the same
document makes a second version, which counts from the moment at which it was read.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from kaboom.market.disclosure import CompanyEvent, Disclosures, Statement

type Key = tuple[str, str]


class DisclosureStore(Protocol):
    """The disclosures of all providers. All methods raise StoreError if the database is unavailable.

    `as_of` is aware: versions that are known by then count, the newest of each document.
    """

    async def save(self, provider: str, found: Disclosures, *, now: datetime) -> int:
        """Keep what is new or has changed, in one transaction; return the number of rows written."""
        ...

    async def list_statements(self, provider: str, symbol: str, *, as_of: datetime, limit: int) -> list[Statement]:
        """Return the statements of a symbol, newest disclosure first."""
        ...

    async def list_versions(
        self, provider: str, *, since: datetime, as_of: datetime, symbols: Collection[str] | None = None
    ) -> list[Statement]:
        """Return each version of a statement that became known from `since` on: of some symbols, else of all.

        They are by symbol, in the order in which they became known.
        """
        ...

    async def list_events(self, provider: str, symbol: str, *, as_of: datetime) -> list[CompanyEvent]:
        """Return the newest notice on each subject of a symbol, by day; without what was withdrawn."""
        ...


def new_versions[R: (Statement, CompanyEvent)](held: Mapping[Key, R], rows: Iterable[R], now: datetime) -> list[R]:
    """Return the rows that differ from the newest versions held, each with the moment from which on it counts."""
    given = {(row.symbol, row.document): row for row in rows}
    added = []
    for key, row in given.items():
        if (old := held.get(key)) is None:
            added.append(replace(row, known_at=row.disclosed_at))
        elif replace(old, known_at=None) != row:
            added.append(replace(row, known_at=max(now, row.disclosed_at)))
    return added


def in_order(versions: Iterable[Statement]) -> list[Statement]:
    """Return versions by symbol, in the order in which they became known."""
    return sorted(versions, key=lambda row: (row.symbol, row.known_at, row.disclosed_at, row.document))


def newest_versions(versions: Iterable[Statement]) -> list[Statement]:
    """Return the newest version of each document of versions in order: by symbol, oldest disclosure first."""
    newest = {(row.symbol, row.document): row for row in versions}
    return sorted(newest.values(), key=lambda row: (row.symbol, row.disclosed_at, row.document))


def newest_notices(events: Iterable[CompanyEvent]) -> list[CompanyEvent]:
    """Return the newest notice on each subject, by day, those without a day last; without what was withdrawn."""
    newest: dict[tuple[str, str], CompanyEvent] = {}
    for event in sorted(events, key=lambda each: (each.disclosed_at, each.document)):
        newest[event.kind, event.subject] = event
    kept = [event for event in newest.values() if not event.is_withdrawn]
    return sorted(kept, key=lambda each: (each.day is None, each.day, each.kind, each.subject))
