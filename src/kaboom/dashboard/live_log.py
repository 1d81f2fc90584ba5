"""The newest events of live rows, which are sent again to a page that reconnects."""

import asyncio
import time
from collections import deque
from dataclasses import dataclass

from fastapi.sse import format_sse_event

from kaboom.errors import InvalidRequest
from kaboom.jobs.redis.events import parse_event_id

#: A page without an id was rendered at most this long ago; it gets the events since then.
_RECENT_S = 10.0
_MOST_BYTES = 2_000_000


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    place: tuple[int, int] | None
    text: bytes
    at: float


class LiveLog:
    """Events in order; an event has the id of a change if all changes up to that id have been sent.

    Ids are those of `/api/v1/events`, the same in every process and after a restart.
    """

    def __init__(self) -> None:
        self._events: deque[_Event] = deque()
        self._bytes = 0
        #: The number of the newest event.
        self.newest = 0
        #: The lowest id from which a page can continue; None before the first event or id.
        self._floor: tuple[int, int] | None = None
        #: Set when the next event is added.
        self.news = asyncio.Event()

    def begin(self, position: str) -> None:
        """Set the id after which all changes are sent; only the first call has an effect."""
        self._floor = self._floor or place_of(position)

    def add(self, kind: str, data: str, position: str) -> None:
        """Add an event; above 2 MB the oldest events are dropped."""
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
        """Return the events after a number, with their numbers; None if some of them were dropped."""
        if self._events and self._events[0].number > number + 1:
            return None
        return [(event.number, event.text) for event in self._events if event.number > number]

    def find(self, last_id: str) -> int | None:
        """Return the number of the event after which a page continues, given its last id; None if it must reload."""
        if not last_id:
            recent = (event.number for event in self._events if event.at > time.monotonic() - _RECENT_S)
            return next(recent, self.newest + 1) - 1
        place = place_of(last_id)
        if place is None or self._floor is None or place < self._floor:
            return None
        seen = (event.number for event in reversed(self._events) if event.place and event.place <= place)
        return next(seen, self._events[0].number - 1 if self._events else self.newest)


def place_of(event_id: str) -> tuple[int, int] | None:
    """Return an event id as numbers, which sort; None if the text is not an event id."""
    try:
        return parse_event_id(event_id)
    except InvalidRequest:
        return None
