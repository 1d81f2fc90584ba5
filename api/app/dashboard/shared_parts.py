"""Parts of live pages, rendered once for all viewers who see the same."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable, Hashable

from fastapi import Response

#: A part is at most so old.
_KEPT_S = 1.0


class SharedParts:
    """The newest answers of pages that take a part of themselves anew while something changes."""

    def __init__(self) -> None:
        self._kept: dict[Hashable, tuple[float, asyncio.Future[Response]]] = {}
        #: Stands in a shared part for the CSRF token, which is each viewer's own; nobody outside can know it.
        self.csrf_mark = secrets.token_hex(16)

    async def ask(self, key: Hashable, make: Callable[[], Awaitable[Response]]) -> Response:
        """Return the answer for a key, made anew where it is older than a second; one under way is shared."""
        now = time.monotonic()
        begun_at, made = self._kept.get(key, (0.0, None))
        if made is None or (made.done() and now - begun_at >= _KEPT_S):
            made = asyncio.ensure_future(make())
            self._kept[key] = now, made
            self._kept = {
                each: kept for each, kept in self._kept.items() if now - kept[0] < _KEPT_S or not kept[1].done()
            }
        # One viewer who leaves takes the part from nobody.
        return await asyncio.shield(made)
