"""The newest events of live rows, which are sent again to a page that comes back."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from fastapi.sse import format_sse_event

from app.live.events import parse_event_id
from batch.errors import InvalidRequest

#: A page without an id was made at most so long ago: it gets what changed since.
_RECENT_S = 10.0
_MOST_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    place: tuple[int, int] | None
    text: bytes
    at: float


class LiveLog:
    """Events in their order; an event has the id of a change if everything up to it was sent.

    Ids are those of `/api/v1/events`, the same in every process and after a restart.
    """

    def __init__(self) -> None:
        self._events: deque[_Event] = deque()
        self._bytes = 0
        #: The number of the newest event.
        self.newest = 0
        #: The id that a page may name at the least; None before anything is known.
        self._floor: tuple[int, int] | None = None
        #: Is set with the next event.
        self.news = asyncio.Event()

    def begin(self, position: str) -> None:
        """Set the id from which on everything is sent; only the first call counts."""
        self._floor = self._floor or place_of(position)

    def add(self, kind: str, data: str, position: str) -> None:
        """Add an event; beyond 2 MB the oldest are forgotten."""
        self.newest += 1
        text = format_sse_event(event=kind, data_str=data, id=position or None)
        self._events.append(_Event(self.newest, place_of(position), text, time.monotonic()))
        self._bytes += len(text)
        while self._bytes > _MOST_BYTES and len(self._events) > 1:
            gone = self._events.popleft()
            self._bytes -= len(gone.text)
            self._floor = gone.place or self._floor
        self.news.set()
        self.news = asyncio.Event()

    def after(self, number: int) -> list[tuple[int, bytes]] | None:
        """Return the events after one, with their numbers; None where some are forgotten."""
        if self._events and self._events[0].number > number + 1:
            return None
        return [(event.number, event.text) for event in self._events if event.number > number]

    def find(self, last_id: str) -> int | None:
        """Return after which event a page goes on that names the last id it saw; None where it must load anew."""
        if not last_id:
            recent = (event.number for event in self._events if event.at > time.monotonic() - _RECENT_S)
            return next(recent, self.newest + 1) - 1
        place = place_of(last_id)
        if place is None or self._floor is None or place < self._floor:
            return None
        seen = (event.number for event in reversed(self._events) if event.place and event.place <= place)
        return next(seen, self._events[0].number - 1 if self._events else self.newest)


def place_of(event_id: str) -> tuple[int, int] | None:
    """Return an id of an event as numbers, which sort; None where it is none."""
    try:
        return parse_event_id(event_id)
    except InvalidRequest:
        return None
