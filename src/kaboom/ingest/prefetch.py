"""Fetching the next symbols while the bars of the current ones are checked and written."""

import asyncio
from collections.abc import AsyncGenerator, Sequence

from kaboom.ingest.plan import IngestChunk
from kaboom.ingest.window import FetchedWindow, IngestTools, fetch_window


async def prefetch(parts: Sequence[IngestChunk], tools: IngestTools) -> AsyncGenerator[FetchedWindow]:
    """Yield the fetched windows of some parts, in order; each fetch starts when the one before has ended.

    Raises:
        RateLimited: the provider wants a pause; later parts were not fetched.

    """
    fetching: asyncio.Task[FetchedWindow] | None = None
    try:
        for part in parts:
            fetched = await fetching if fetching else None
            fetching = asyncio.create_task(fetch_window(part, tools), name="prefetch")
            if fetched:
                yield fetched
        if fetching:
            yield await fetching
    finally:
        if fetching:
            fetching.cancel()
            await asyncio.gather(fetching, return_exceptions=True)
