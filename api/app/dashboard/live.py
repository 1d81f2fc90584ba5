"""Live rows of the jobs page: rendered once for all viewers of one owner and language, however many pages are open."""

import asyncio
import contextlib
import secrets
import time
from collections import deque
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace

import structlog
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.dashboard.asking import Reply
from app.dashboard.page import OpenPage
from app.dashboard.shapes.job_rows import JobRow
from app.dashboard.shapes.shown_rows import ShownRows
from batch.kit.clock import utc_now

#: How often the API is asked what has changed, while anybody watches.
_EVERY_S = 1.0
_PING_S = 15.0
#: Events that a page which comes back may have missed; after more it loads its rows anew.
_KEPT = 300
_MOST_OPEN = 200
#: Jobs that ended between two looks are asked for one by one.
_MOST_ENDED = 50
#: A page opens its stream anew after so long, so that a viewer who has been logged out sees no more.
_LIFE_S = 60.0
_RETRY_MS = 2000
_OPEN = ["queued", "running", "cancelling"]

_log = structlog.get_logger(__name__)


class LiveRows:
    """The channels of this process: one for each owner and language that somebody watches."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, str], _Channel] = {}

    async def watch(self, page: OpenPage, *, after: str) -> AsyncIterator[bytes]:
        """Yield events as SSE text.

        `rows` has changed rows, `away` a note or "", `reload` comes after a gap, `again` at the end.
        """
        key = (page.viewer.owner, page.viewer.language)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(page)
        with channel.watched():
            try:
                async for event in channel.follow(after):
                    yield event
            finally:
                if channel.is_last:
                    self._channels.pop(key, None)


class _Channel:
    """What all viewers of one owner and language see."""

    def __init__(self, page: OpenPage) -> None:
        self._page = page
        self._boot = secrets.token_hex(4)
        self._events: deque[tuple[int, bytes]] = deque(maxlen=_KEPT)
        self._number = 0
        self._news = asyncio.Event()
        self._viewers = 0
        self._task: asyncio.Task[None] | None = None
        self._rows = ShownRows()
        self._note = ""

    @property
    def is_last(self) -> bool:
        return self._viewers == 1

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        self._viewers += 1
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                self._task.cancel()

    async def follow(self, after: str) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=_RETRY_MS, comment="rows of jobs")
        place = self._number
        if after:
            place = self._find(after)
            if place < 0:
                place = self._number
                yield format_sse_event(event="reload", data_str="1", id=self._id(place))
        elif shown := self._rows.shown():
            yield format_sse_event(event="rows", data_str=shown, id=self._id(place))
        if self._note:
            yield format_sse_event(event="away", data_str=self._note)
        end = time.monotonic() + _LIFE_S
        while time.monotonic() < end:
            news = self._news
            for number, event in [each for each in self._events if each[0] > place]:
                place = number
                yield event
            try:
                async with asyncio.timeout(_PING_S):
                    await news.wait()
            except TimeoutError:
                yield KEEPALIVE_COMMENT
        yield format_sse_event(event="again", data_str="1", id=self._id(place))

    def _find(self, after: str) -> int:
        """Return the place of an event id; -1 where events after it are no longer kept."""
        boot, _, number = after.partition("-")
        if boot != self._boot or not number.isdecimal() or len(number) > 12:
            return -1
        oldest = self._events[0][0] if self._events else self._number + 1
        return int(number) if oldest - 1 <= int(number) <= self._number else -1

    async def _run(self) -> None:
        while True:
            try:
                await self._look()
            except Exception:  # noqa: BLE001  ended here nobody would be told of anything any more
                _log.exception("live_rows_crashed")
            await asyncio.sleep(_EVERY_S)

    async def _look(self) -> None:
        found = await self._page.ask("/api/v1/jobs", status=_OPEN, limit=_MOST_OPEN)
        await self._tell(found)
        if not found.is_ok:
            return
        jobs = found.data["items"]
        open_ids = {job["job_id"] for job in jobs}
        ended = [job for job in self._rows.open_jobs() if job["job_id"] not in open_ids][:_MOST_ENDED]
        asked = await asyncio.gather(*(self._page.ask(job["links"]["self"]) for job in ended))
        jobs += [reply.data for reply in asked if reply.is_ok]
        gone = [job["job_id"] for job, reply in zip(ended, asked, strict=True) if reply.status == 404]
        self._rows.forget(gone)
        changed = self._rows.changed(jobs)
        if changed:
            viewer = replace(self._page.viewer, now=utc_now())
            html = [
                await self._page.pages.render("parts/job_row.html", viewer, {"row": JobRow(job)}) for job in changed
            ]
            self._publish("rows", self._rows.keep(changed, html))

    async def _tell(self, found: Reply) -> None:
        """Say that the list is unavailable, or that it is there again."""
        note = "" if found.is_ok else await self._page.render("parts/live_away.html", problem=found.problem)
        if note != self._note:
            self._note = note
            self._publish("away", note)

    def _publish(self, kind: str, data: str) -> None:
        self._number += 1
        self._events.append((self._number, format_sse_event(event=kind, data_str=data, id=self._id(self._number))))
        self._news.set()
        self._news = asyncio.Event()

    def _id(self, number: int) -> str:
        return f"{self._boot}-{number}"
