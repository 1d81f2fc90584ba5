"""Saved screens, what passed them by session, and the port to their store."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Never, Protocol

from kaboom.errors import Conflict, NotFound
from kaboom.indicators.expression import Expression
from kaboom.jobs.postgres.events import MOST_TEXT, Event, EventKind
from kaboom.market.listing import Market

#: Per owner; one page shows all of them.
MAX_SCREENS = 100


@dataclass(frozen=True, slots=True)
class Question:
    """What to screen: of whose bars, of which market (None: all that is held), and as of when."""

    expression: Expression
    provider: str
    market: Market | None = None
    session: date | None = None
    as_of: datetime | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """A saved expression, and whose bars of which market it is about; `market` None: all that is held."""

    screen_id: str
    owner: str
    name: str
    expression: str
    provider: str
    market: str | None = None
    created_at: datetime | None = None
    updated_at: datetime | None = None

    @property
    def meaning(self) -> tuple[str, str, str | None]:
        """What its results depend on; if it changes, a new history begins."""
        return self.expression, self.provider, self.market


@dataclass(frozen=True, slots=True)
class Passed:
    """What passed a screen in a session.

    Attributes:
        symbols: by turnover, highest first.
        seen: how many symbols had a bar.
        unknown: how many of these had too short a history to say.

    """

    session: date
    symbols: tuple[str, ...]
    seen: int
    unknown: int
    computed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Change:
    """What entered and what left since the session before that has a result."""

    entered: tuple[str, ...]
    left: tuple[str, ...]


def compare(passed: Passed, before: Passed | None) -> Change | None:
    """Return the change between two sessions; None without an earlier one."""
    if before is None:
        return None
    old, new = set(before.symbols), set(passed.symbols)
    entered = (symbol for symbol in passed.symbols if symbol not in old)
    return Change(tuple(entered), tuple(symbol for symbol in before.symbols if symbol not in new))


def events_of(screen: Screen, passed: Passed, change: Change | None, now: datetime) -> list[Event]:
    """Return the event of the symbols that entered, if any did; the same session is told once."""
    if change is None or not change.entered:
        return []
    data: dict[str, str | int] = {
        "screen": screen.name,
        "session": passed.session.isoformat(),
        "count": len(change.entered),
        "symbols": ", ".join(change.entered)[:MOST_TEXT],
    }
    event_id = f"screen_entered:{screen.screen_id}:{passed.session}"
    return [Event(event_id, EventKind.SCREEN_ENTERED, now, screen.owner, data)]


def miss_screen(name: str) -> Never:
    """Raise NotFound for a screen."""
    raise NotFound(f"screen {name!r:.60} does not exist")


def check_same(used: Screen, kept: Screen) -> None:
    """Raise Conflict if a screen was changed after it was used."""
    if used.screen_id != kept.screen_id or used.meaning != kept.meaning:
        raise Conflict(f"screen {used.name} was changed while it ran: run it again")


class ScreenStore(Protocol):
    """The screens of all owners. Each method is one transaction; all raise StoreError if the ledger is unavailable.

    With an owner they raise NotFound if the owner has no such screen.
    """

    async def save(self, screen: Screen) -> tuple[Screen, bool]:
        """Save a screen, in place of the one with its name; return it, and whether it is new.

        If its meaning changes, its results go.

        Raises:
            Conflict: the owner has MAX_SCREENS screens.

        """
        ...

    async def list_screens(self, owner: str) -> list[Screen]:
        """Return an owner's screens by name."""
        ...

    async def load(self, owner: str, name: str) -> Screen:
        """Return a screen."""
        ...

    async def delete(self, owner: str, name: str) -> None:
        """Delete a screen and its results."""
        ...

    async def save_passed(self, screen: Screen, passed: Passed) -> Change | None:
        """Save the result of a session, in place of an earlier one; return what changed since the session before.

        In the newest session, symbols that entered are an event.

        Raises:
            Conflict: the screen was changed meanwhile.
            NotFound: it was deleted.

        """
        ...

    async def list_passed(self, screen: Screen, *, limit: int) -> Sequence[Passed]:
        """Return the results of the newest sessions, newest first."""
        ...
