"""Collects the changed jobs of an owner from the stream of all changes."""

import asyncio
import contextlib
from collections.abc import Iterator

import orjson

from kaboom.operations.feed import JobFeed

#: The pause before the stream is opened again.
_AGAIN_S = 1.0
#: If more jobs than this wait to be sent, none is sent, and the pages reload their rows.
_MOST_WAITING = 1000


class LiveChanges:
    """The changed jobs that have not been sent yet."""

    def __init__(self, feed: JobFeed, owner: str, *, after: str) -> None:
        """Start after an id, or with the changes of the last seconds if it is ""."""
        self._feed, self._owner = feed, owner
        self._waiting: dict[str, None] = {}
        self.heard = after
        self.is_reset = False
        self.news = asyncio.Event()

    async def listen(self) -> None:
        """Follow the stream until cancelled; open it again each time it ends."""
        while True:
            async with contextlib.aclosing(self._feed.watch(self._owner, after=self.heard)) as texts:
                async for text in texts:
                    for event in _parse(text):
                        self._take(event)
            await asyncio.sleep(_AGAIN_S)

    def next(self, most: int) -> tuple[list[str], str]:
        """Take the API paths of the jobs that have waited longest, and the id of the last change that they include.

        The id is "" while other jobs still wait.
        """
        paths = list(self._waiting)[:most]
        for path in paths:
            del self._waiting[path]
        if self._waiting:
            return paths, ""
        self.news.clear()
        return paths, self.heard

    def put_back(self, paths: list[str]) -> None:
        """Put back jobs that could not be sent."""
        self._waiting = dict.fromkeys([*paths, *self._waiting])
        self.news.set()

    def _take(self, event: dict[str, str]) -> None:
        if event.get("event") == "job":
            job = orjson.loads(event["data"])
            self._waiting[f"/api/v1/{job['queue'].replace('_', '-')}/jobs/{job['job_id']}"] = None
            self.news.set()
        if event.get("event") == "reset" or len(self._waiting) > _MOST_WAITING:
            self._waiting.clear()
            self.is_reset = True
            self.news.set()
        self.heard = event.get("id", self.heard)


def _parse(text: bytes) -> Iterator[dict[str, str]]:
    """Yield the fields of each event of a complete SSE text; comments have none."""
    for event in text.decode().split("\n\n"):
        pairs = (line.partition(": ") for line in event.split("\n") if not line.startswith(":"))
        if fields := {name: value for name, _, value in pairs if name}:
            yield fields
