"""Open connections of this process, so that they can be closed when it ends."""

import asyncio
import os
import weakref
from typing import Protocol

import structlog

#: How long a session may take to close.
_CLOSE_S = 2.0

_log = structlog.get_logger(__name__)


class Closable(Protocol):
    """A session that opens its connections on first use, and again on the first use after `close`."""

    async def close(self) -> None:
        """Release the connections."""
        ...


_open: "weakref.WeakKeyDictionary[Closable, asyncio.AbstractEventLoop]" = weakref.WeakKeyDictionary()
# A forked child must not close its parent's connections.
os.register_at_fork(after_in_child=_open.clear)


def note_open(session: Closable) -> None:
    """Register a session that has opened a connection on the running loop."""
    _open[session] = asyncio.get_running_loop()


def note_closed(session: Closable) -> None:
    """Unregister a session that has closed its connections."""
    _open.pop(session, None)


async def close_sessions() -> None:
    """Close every session of the running loop; a failure is logged."""
    loop = asyncio.get_running_loop()
    for session in [session for session, home in _open.items() if home is loop]:
        note_closed(session)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await session.close()
        except Exception as e:  # noqa: BLE001  the others must be closed too
            _log.warning("session_not_closed", session=type(session).__name__, reason=str(e) or type(e).__name__)
