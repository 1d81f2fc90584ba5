"""Parts of live pages, rendered once for all viewers who see the same content."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable

from fastapi import Response

#: The highest age of a part.
_KEPT_S = 1.0


class SharedParts:
    """A cache of the parts that live pages reload."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Response]]] = {}
        #: A placeholder in a shared part for the CSRF token, which differs for each viewer; it is random and secret.
        self.csrf_mark = secrets.token_hex(16)

    async def ask(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return the part of a key; render it again if it is older than a second. Concurrent calls share it."""
        now = time.monotonic()
        begun_at, made = self._kept.get(key, (0.0, None))
        if made is None or (made.done() and now - begun_at >= _KEPT_S):
            made = asyncio.ensure_future(make())
            self._kept[key] = now, made
            self._kept = {
                each: kept for each, kept in self._kept.items() if now - kept[0] < _KEPT_S or not kept[1].done()
            }
        # A viewer who leaves must not cancel the rendering for the others.
        return await asyncio.shield(made)
