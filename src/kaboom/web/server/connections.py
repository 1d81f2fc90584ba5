"""The open connections of one server: how many there may be, and how long each may keep it waiting."""

import asyncio
import itertools
from collections import Counter
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from kaboom.web.server.protocol import BoundedProtocol

_TICK_S = 1.0
#: This share of all is closed together when room is needed, since finding them takes a look at all.
_SHARE = 32

_log = structlog.get_logger(__name__)


class Connections:
    """Counts the connections of a server, closes the ones that wait longest when it is full, and keeps deadlines.

    Time is counted in ticks of a second. A process that was frozen counts none, so it wakes up with no deadline passed.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._timer: asyncio.TimerHandle | None = None
        self._closed: Counter[str] = Counter()
        self.members: set[BoundedProtocol] = set()
        #: Those that were closed to make room, and are not gone yet.
        self.leaving: set[BoundedProtocol] = set()
        self.tick = 0
        #: Numbers for connections that begin to wait, in their order.
        self.turns = itertools.count()

    def admit(self, connection: "BoundedProtocol") -> None:
        """Count a new connection; beyond the limit close others that wait, or else this one."""
        self.members.add(connection)
        if self._timer is None:
            self._timer = connection.loop.call_later(_TICK_S, self._look, connection.loop)
        if len(self.members) - len(self.leaving) <= self._most:
            return
        victims = self._find_victims(connection)
        self.note("closed_for_room" if victims else "turned_away", len(victims) or 1)
        for victim in victims or [connection]:
            self.leaving.add(victim)
            victim.transport.close()

    def drop(self, connection: "BoundedProtocol") -> None:
        """Forget a connection that is gone."""
        self.members.discard(connection)
        self.leaving.discard(connection)

    def note(self, why: str, count: int = 1) -> None:
        """Count connections or requests that were refused; a line of the log each second tells how many were."""
        self._closed[why] += count

    def _find_victims(self, newest: "BoundedProtocol") -> list["BoundedProtocol"]:
        waiting = [each for each in self.members - self.leaving if each is not newest and each.rank is not None]
        waiting.sort(key=lambda each: (each.rank or 0, each.waits_since))
        # One whose bytes are there has only not had its turn of the loop yet.
        silent = (each for each in waiting if not each.has_unread)
        return list(itertools.islice(silent, max(1, self._most // _SHARE)))

    def _look(self, loop: asyncio.AbstractEventLoop) -> None:
        self.tick += 1
        self._timer = loop.call_later(_TICK_S, self._look, loop) if self.members else None
        for connection in list(self.members):
            connection.check(self.tick)
        if self._closed:
            _log.warning("connections_refused", open=len(self.members), **self._closed)
            self._closed.clear()
