"""Fetching the next symbols while the bars of the current ones are checked and written."""

import asyncio
from collections.abc import Sequence

from batch.ingest.plan import IngestChunk
from batch.ingest.window import FetchedWindow, IngestTools, fetch_window


class Prefetch:
    """The fetched windows of some parts, in order; each fetch starts when the one before has ended."""

    def __init__(self, parts: Sequence[IngestChunk], tools: IngestTools) -> None:
        self._parts = iter(parts)
        self._tools = tools
        self._fetching: asyncio.Task[FetchedWindow] | None = None

    async def take(self) -> FetchedWindow:
        """Return the next window, and start to fetch the one after it.

        Raises:
            RateLimited: the provider wants a pause; later parts were not fetched.

        """
        self._start()
        if self._fetching is None:
            raise LookupError("every part has been taken")
        fetched = await self._fetching
        self._fetching = None
        self._start()
        return fetched

    async def aclose(self) -> None:
        """Cancel the running fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.gather(self._fetching, return_exceptions=True)

    def _start(self) -> None:
        if self._fetching is None and (part := next(self._parts, None)) is not None:
            self._fetching = asyncio.create_task(fetch_window(part, self._tools), name="prefetch")
