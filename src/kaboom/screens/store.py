"""Open the screens of a database; in memory they behave like those in PostgreSQL, and end with the process."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

from kaboom.drivers.clock import utc_now
from kaboom.drivers.postgres.database import Database, too_many
from kaboom.errors import Conflict
from kaboom.jobs.postgres.events import MemoryEventOutbox, open_memory_events
from kaboom.screens.model import (
    MAX_SCREENS,
    Change,
    Passed,
    Screen,
    ScreenStore,
    check_same,
    compare,
    events_of,
    miss_screen,
)


def open_screens(database: Database) -> ScreenStore:
    """Return the screens of a database."""
    if database.engine is None:
        return MemoryScreenStore(database.open(open_memory_events))
    # SQLAlchemy is loaded with the first database in PostgreSQL.
    from kaboom.screens.postgres import PostgresScreenStore  # noqa: PLC0415

    return PostgresScreenStore(database.engine)


class MemoryScreenStore:
    """`ScreenStore` in memory."""

    def __init__(self, events: MemoryEventOutbox) -> None:
        self._events = events
        self._screens: dict[tuple[str, str], Screen] = {}
        self._passed: dict[str, dict[date, Passed]] = {}

    async def save(self, screen: Screen) -> tuple[Screen, bool]:
        key, now = (screen.owner, screen.name), utc_now()
        old = self._screens.get(key)
        if old is None and sum(each.owner == screen.owner for each in self._screens.values()) >= MAX_SCREENS:
            raise Conflict(too_many("screens", MAX_SCREENS))
        base = old or replace(screen, created_at=now)
        kept = replace(screen, screen_id=base.screen_id, created_at=base.created_at, updated_at=now)
        if old is None or old.meaning != kept.meaning:
            self._passed[kept.screen_id] = {}
        self._screens[key] = kept
        return kept, old is None

    async def list_screens(self, owner: str) -> list[Screen]:
        return sorted((each for each in self._screens.values() if each.owner == owner), key=lambda each: each.name)

    async def load(self, owner: str, name: str) -> Screen:
        return self._screens.get((owner, name)) or miss_screen(name)

    async def delete(self, owner: str, name: str) -> None:
        screen = await self.load(owner, name)
        del self._passed[screen.screen_id]
        del self._screens[owner, name]

    async def save_passed(self, screen: Screen, passed: Passed) -> Change | None:
        check_same(screen, await self.load(screen.owner, screen.name))
        now, held = utc_now(), self._passed[screen.screen_id]
        before = max((day for day in held if day < passed.session), default=None)
        change = compare(passed, held[before] if before else None)
        if not any(day > passed.session for day in held):
            self._events.note_now(events_of(screen, passed, change, now))
        held[passed.session] = replace(passed, computed_at=now)
        return change

    async def list_passed(self, screen: Screen, *, limit: int) -> Sequence[Passed]:
        held = self._passed.get(screen.screen_id, {})
        return [held[day] for day in sorted(held, reverse=True)[:limit]]
