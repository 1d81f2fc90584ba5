"""Asking a provider for the next symbols while the bars of these are checked and written."""

import asyncio
from collections.abc import Sequence

from batch.ingest.plan import IngestChunk
from batch.ingest.window import Asked, IngestTools, ask_window


class Ahead:
    """The answers for some parts, in their order; each is asked for when the one before has been answered."""

    def __init__(self, parts: Sequence[IngestChunk], tools: IngestTools) -> None:
        self._parts = iter(parts)
        self._tools = tools
        self._asking: asyncio.Task[Asked] | None = None

    async def take(self) -> Asked:
        """Return the next answer, and ask for the one after it.

        Raises:
            RateLimited: the provider wants to be left alone; of the parts after this one nobody was asked.

        """
        self._ask()
        if self._asking is None:
            raise LookupError("every part has been taken")
        answered = await self._asking
        self._asking = None
        self._ask()
        return answered

    async def aclose(self) -> None:
        """Cut off what is under way."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)

    def _ask(self) -> None:
        if self._asking is None and (part := next(self._parts, None)) is not None:
            self._asking = asyncio.create_task(ask_window(part, self._tools), name="ask-ahead")
