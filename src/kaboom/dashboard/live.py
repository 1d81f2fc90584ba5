"""Live rows of the jobs page and their log, rendered once for all viewers with the same owner, scopes and language."""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import AsyncIterator, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import orjson
import structlog
from fastapi import status
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from kaboom.dashboard.api_client import Reply
from kaboom.dashboard.job_rows import JobRow
from kaboom.dashboard.page_request import OpenPage
from kaboom.drivers.clock import utc_now
from kaboom.errors import InvalidRequest
from kaboom.jobs.api.view import JobPage, JobView
from kaboom.jobs.model import JobStatus
from kaboom.jobs.redis.events import parse_event_id
from kaboom.operations.feed import JobFeed
from kaboom.web.services import services_of

#: Changed rows are sent at most this often.
_EVERY_S = 1.0
#: How often to check rows that change without an event: how long a job has run, and whether it is stalled.
_CHECK_S = 5.0
_PING_S = 15.0
#: The most jobs to load in one round; the others are loaded in the next round.
_MOST_AT_ONCE = 50
#: A page reopens its stream after this long, so that a viewer who has been logged out gets no more rows.
_LIFE_S = 60.0
_RETRY_MS = 2000
#: Events are sent to many viewers over this many seconds, a few at a time; multiples of the golden ratio spread evenly.
_SPREAD_S, _EACH_S, _GOLDEN = 0.5, 0.004, 0.618
#: The unfinished jobs of the first page of the list, and running jobs on later pages.
_CHECKED = (
    {"status": ["queued", "running", "cancelling"], "limit": 50},
    {"status": ["running", "cancelling"], "limit": 200},
)

_log = structlog.get_logger(__name__)
#: The pause before the stream is opened again.
_AGAIN_S = 1.0
#: If more jobs than this wait to be sent, none is sent, and the pages reload their rows.
_MOST_WAITING = 1000
#: The row of a running job is sent again after this long without a change: it shows how long the job has run.
_SHOWN_AGAIN_S = 4.0
#: Rows that are neither listed nor sent for this long are dropped.
_KEPT_S = 120.0
#: A page without an id was rendered at most this long ago; it gets the events since then.
_RECENT_S = 10.0
_MOST_BYTES = 2_000_000


class LiveRows:
    """The channels of this process: one for each watched owner, set of scopes and language."""

    def __init__(self) -> None:
        self._channels: dict[Hashable, _Channel] = {}

    async def watch(self, page: OpenPage, *, after: str) -> AsyncIterator[bytes]:
        """Yield events as SSE text.

        `rows`: changed rows. `at`: only an id. `away`: a note that the list is unavailable, or "". `reload`: the page
        has missed events. `again`: the end of the stream.
        """
        key = (page.viewer.owner, page.viewer.principal and page.viewer.principal.scopes, page.viewer.language)
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(page, services_of(page.request.app).find(JobFeed), after=after)
        with channel.watched():
            try:
                async for event in channel.follow(after):
                    yield event
            finally:
                if channel.is_last:
                    self._channels.pop(key, None)


class _Channel:
    """The live rows of one owner, set of scopes and language."""

    def __init__(self, page: OpenPage, feed: JobFeed, *, after: str) -> None:
        self._page = page
        self._log = LiveLog()
        # The first page that reconnects gets missed events from the stream; later pages get them from the log.
        begins_at = after if place_of(after) else ""
        self._log.begin(begins_at)
        self._changes = LiveChanges(feed, page.viewer.owner, after=begins_at)
        self._rows = ShownRows()
        self._viewers = 0
        self._phases = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self._note = ""
        self._sent_up_to = begins_at
        self._checked_at = 0.0

    @property
    def is_last(self) -> bool:
        return self._viewers == 1

    @contextlib.contextmanager
    def watched(self) -> Iterator[None]:
        self._viewers += 1
        if not self._tasks:
            self._tasks = [asyncio.create_task(each) for each in (self._changes.listen(), self._run())]
        try:
            yield
        finally:
            self._viewers -= 1
            if not self._viewers:
                for task in self._tasks:
                    task.cancel()

    async def follow(self, after: str) -> AsyncIterator[bytes]:
        yield format_sse_event(retry=_RETRY_MS, comment="rows of jobs")
        place = self._log.find(after)
        if place is None:
            place = self._log.newest
            yield format_sse_event(event="reload", data_str="1", id=self._sent_up_to or None)
        if self._note:
            yield format_sse_event(event="away", data_str=self._note)
        end, phase = time.monotonic() + _LIFE_S, next(self._phases) * _GOLDEN % 1
        while time.monotonic() < end:
            news, events = self._log.news, self._log.after(place)
            if events is None:
                break
            for number, event in events:
                place = number
                yield event
            try:
                async with asyncio.timeout(_PING_S):
                    await news.wait()
                # Spread the viewers over time: otherwise other requests of this process would wait for all of them.
                await asyncio.sleep(phase * min(_SPREAD_S, self._viewers * _EACH_S))
            except TimeoutError:
                yield KEEPALIVE_COMMENT
        yield format_sse_event(event="again", data_str="1")

    async def _run(self) -> None:
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CHECK_S):
                    await self._changes.news.wait()
            try:
                await self._look()
            except Exception:  # noqa: BLE001  without this loop no page would get a change
                _log.exception("live_rows_crashed")
            await asyncio.sleep(_EVERY_S)

    async def _look(self) -> None:
        """Publish changed rows, and every `_CHECK_S` also rows that change without an event."""
        self._log.begin(self._changes.heard)
        if self._changes.is_reset:
            self._changes.is_reset = False
            self._publish("reload", "1", self._changes.heard)
        jobs, position = await self._ask_changed()
        if time.monotonic() - self._checked_at >= _CHECK_S:
            self._checked_at = time.monotonic()
            jobs |= await self._check()
        if jobs:
            self._publish("rows", await self._render(jobs.values()), position)
        elif position not in {"", self._sent_up_to}:
            self._publish("at", "1", position)

    async def _ask_changed(self) -> tuple[dict[str, JobView], str]:
        """Return the changed jobs by id, and the change up to which they are complete; put back jobs not loaded."""
        paths, position = self._changes.next(_MOST_AT_ONCE)
        replies = await asyncio.gather(*(self._ask(path) for path in paths))
        failed = [path for path, reply in zip(paths, replies, strict=True) if not reply.is_ok and reply.status != 404]
        if failed:
            self._changes.put_back(failed)
            position = ""
        # The list of jobs has no requests, so leave the request out here, too.
        found = [reply.data for reply in replies if reply.is_ok]
        listed = [job for view in found for job in (view.items if isinstance(view, JobPage) else [view])]
        jobs = [job.model_copy(update={"request": None}) for job in listed]
        self._rows.keep(jobs)
        return {job.job_id: job for job in jobs}, position

    async def _ask(self, path: str) -> Reply[JobView] | Reply[JobPage]:
        """Return a job; if its request needs a scope that the viewers lack, a list with what they may see of it."""
        reply = await self._page.api.get(JobView, path)
        if reply.status != status.HTTP_403_FORBIDDEN:
            return reply
        jobs_of_queue, _, job_id = path.rpartition("/")
        return await self._page.api.get(JobPage, jobs_of_queue, q=job_id, limit=1)

    async def _check(self) -> dict[str, JobView]:
        """Return the open jobs whose rows have changed, by id; publish whether the list is available."""
        found = await asyncio.gather(*(self._page.api.get(JobPage, "/api/v1/jobs", **query) for query in _CHECKED))
        await self._publish_availability(next((reply for reply in found if not reply.is_ok), found[0]))
        jobs = {job.job_id: job for reply in found if reply.is_ok for job in reply.data.items}
        return self._rows.changed(jobs)

    async def _publish_availability(self, found: Reply[JobPage]) -> None:
        """Publish that the list is unavailable, or that it is available again."""
        note = "" if found.is_ok else await self._page.render("parts/live_away.html", problem=found.problem)
        if note != self._note:
            self._note = note
            self._publish("away", note, self._sent_up_to)

    async def _render(self, jobs: Iterable[JobView]) -> str:
        viewer = replace(self._page.viewer, now=utc_now())
        pages = self._page.pages
        return "".join([await pages.render("parts/job/row.html", viewer, {"row": JobRow(job)}) for job in jobs])

    def _publish(self, kind: str, data: str, position: str) -> None:
        self._sent_up_to = position or self._sent_up_to
        self._log.add(kind, data, position)


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


@dataclass(frozen=True, slots=True)
class _Shown:
    job: JobView
    sent_at: float


class ShownRows:
    """The rows that were last sent."""

    def __init__(self) -> None:
        self._rows: dict[str, _Shown] = {}
        self._is_new = True

    def keep(self, jobs: Sequence[JobView]) -> None:
        """Store some jobs as sent now."""
        now = time.monotonic()
        self._rows |= {job.job_id: _Shown(job, now) for job in jobs}

    def changed(self, jobs: Mapping[str, JobView]) -> dict[str, JobView]:
        """Return the jobs whose rows have changed, by id, and store them as sent.

        The first call returns none: the pages have just been rendered.
        """
        now = time.monotonic()
        self._rows = {i: row for i, row in self._rows.items() if i in jobs or now - row.sent_at < _KEPT_S}
        news = {job_id: job for job_id, job in jobs.items() if self._is_news(job, now)}
        self.keep(list(news.values()))
        is_first, self._is_new = self._is_new, False
        return {} if is_first else news

    def _is_news(self, job: JobView, now: float) -> bool:
        known = self._rows.get(job.job_id)
        if known is None or known.job != job:
            return True
        return job.status is JobStatus.RUNNING and now - known.sent_at >= _SHOWN_AGAIN_S


@dataclass(frozen=True, slots=True)
class _Event:
    number: int
    place: tuple[int, int] | None
    text: bytes
    at: float


class LiveLog:
    """Events in order; an event has the id of a change if all changes up to that id have been sent.

    Ids are those of `/api/v1/events`, the same in every process and after a restart.
    """

    def __init__(self) -> None:
        self._events: deque[_Event] = deque()
        self._bytes = 0
        #: The number of the newest event.
        self.newest = 0
        #: The lowest id from which a page can continue; None before the first event or id.
        self._floor: tuple[int, int] | None = None
        #: Set when the next event is added.
        self.news = asyncio.Event()

    def begin(self, position: str) -> None:
        """Set the id after which all changes are sent; only the first call has an effect."""
        self._floor = self._floor or place_of(position)

    def add(self, kind: str, data: str, position: str) -> None:
        """Add an event; above 2 MB the oldest events are dropped."""
        self.newest += 1
        text = format_sse_event(event=kind, data_str=data, id=position or None)
        self._events.append(_Event(self.newest, place_of(position), text, time.monotonic()))
        self._bytes += len(text)
        while self._bytes > _MOST_BYTES and len(self._events) > 1:
            gone = self._events.popleft()
            self._bytes -= len(gone.text)
            self._floor = gone.place or self._floor
        self.news.set()
        self.news = asyncio.Event()

    def after(self, number: int) -> list[tuple[int, bytes]] | None:
        """Return the events after a number, with their numbers; None if some of them were dropped."""
        if self._events and self._events[0].number > number + 1:
            return None
        return [(event.number, event.text) for event in self._events if event.number > number]

    def find(self, last_id: str) -> int | None:
        """Return the number of the event after which a page continues, given its last id; None if it must reload."""
        if not last_id:
            recent = (event.number for event in self._events if event.at > time.monotonic() - _RECENT_S)
            return next(recent, self.newest + 1) - 1
        place = place_of(last_id)
        if place is None or self._floor is None or place < self._floor:
            return None
        seen = (event.number for event in reversed(self._events) if event.place and event.place <= place)
        return next(seen, self._events[0].number - 1 if self._events else self.newest)


def place_of(event_id: str) -> tuple[int, int] | None:
    """Return an event id as numbers, which sort; None if the text is not an event id."""
    try:
        return parse_event_id(event_id)
    except InvalidRequest:
        return None
