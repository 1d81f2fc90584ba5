"""What this process has open to other servers, so that it can be closed where the process ends."""

import asyncio
import os
import weakref
from typing import Protocol

import structlog

#: How long one of them may take to close.
_CLOSE_S = 2.0

_log = structlog.get_logger(__name__)


class Closable(Protocol):
    """What has connections: it opens them when it is asked something, and anew after `close`."""

    async def close(self) -> None:
        """Release the connections."""
        ...


_open: "weakref.WeakKeyDictionary[Closable, asyncio.AbstractEventLoop]" = weakref.WeakKeyDictionary()
# A forked child has no business with its parent's.
os.register_at_fork(after_in_child=_open.clear)


def note_open(session: Closable) -> None:
    """Remember a session that has opened a connection on the running loop."""
    _open[session] = asyncio.get_running_loop()


def note_closed(session: Closable) -> None:
    """Forget a session that has closed its connections."""
    _open.pop(session, None)


async def close_sessions() -> None:
    """Close every session that is open on the running loop; one that fails to close is logged, and left."""
    loop = asyncio.get_running_loop()
    for session in [session for session, home in _open.items() if home is loop]:
        note_closed(session)
        try:
            async with asyncio.timeout(_CLOSE_S):
                await session.close()
        except Exception as e:  # noqa: BLE001  the others are closed all the same
            _log.warning("session_not_closed", session=type(session).__name__, reason=str(e) or type(e).__name__)
