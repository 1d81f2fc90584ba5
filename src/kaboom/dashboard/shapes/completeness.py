"""How complete a session is, for the overview: one number, and the parts of a bar; pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from kaboom.market.calendar import closes_at, opens_at

#: The states of coverage in the order of the bar, each with its area and its shape in a list.
STATES: Mapping[str, str] = {
    "complete": "f-ok",
    "short": "f-warn",
    "no_auction": "f-warn",
    "differs": "f-warn",
    "outdated": "f-warn",
    "empty": "f-none",
    "not_final": "f-run",
    "pending": "f-run",
    "lost": "f-bad",
    "missing": "f-bad",
}
#: The states that a backfill fetches.
TO_FETCH = ("missing", "lost")


@dataclass(frozen=True, slots=True)
class Completeness:
    """A session of `/api/v1/coverage/sessions`."""

    session: Mapping[str, Any]

    @property
    def day(self) -> str:
        """The date of the session."""
        return str(self.session["session"])

    @property
    def verdict(self) -> str:
        """The verdict of the API: pending, complete, gaps or degraded."""
        return str(self.session["verdict"])

    @property
    def listed(self) -> int:
        """Symbols that should have bars: all except those without trades."""
        return int(self.session["symbols"] - self.session["empty"])

    @property
    def to_fetch(self) -> int:
        """Symbols whose bars are missing or lost."""
        return sum(int(self.session[state]) for state in TO_FETCH)

    @property
    def held(self) -> int:
        """Symbols that have their bars."""
        return self.listed - self.to_fetch - int(self.session["pending"])

    @property
    def parts(self) -> list[tuple[str, str, int]]:
        """The states that occur, with their areas and counts."""
        return [(state, area, self.session[state]) for state, area in STATES.items() if self.session[state]]


@dataclass(frozen=True, slots=True)
class ShownSessions:
    """The sessions of the overview, newest first.

    Attributes:
        opened: those that have opened.
        answer: the last closed one, or the oldest of `opened` if none has closed.
        trading: the one that is open now.

    """

    opened: Sequence[Completeness]
    answer: Completeness | None
    trading: Completeness | None


def choose_sessions(sessions: Sequence[Completeness], now: datetime) -> ShownSessions:
    """Return which sessions are shown at a time (aware): one that has not opened says nothing about the data."""
    opened = [each for each in sessions if opens_at(date.fromisoformat(each.day)) <= now] or sessions
    answer = next((each for each in opened if closes_at(date.fromisoformat(each.day)) <= now), None)
    answer = answer or (opened[-1] if opened else None)
    newest = opened[0] if opened else None
    return ShownSessions(opened, answer, newest if newest is not answer else None)
