"""The changes of all jobs as a stream for each owner: read once, and written once for all streams of an owner."""

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from dataclasses import dataclass, field
from typing import cast

import structlog
from fastapi.sse import format_sse_event
from pydantic import BaseModel, Field

from kaboom.drivers.batcher import Sharing
from kaboom.errors import StoreError
from kaboom.jobs.api.view import Health, Progress, judge_health, view_progress
from kaboom.jobs.model import Job, JobStatus
from kaboom.jobs.redis.events import START, EventHub, EventLog, Feed, FeedKey, JobEvent, parse_event_id
from kaboom.jobs.redis.store import JobStore
from kaboom.jobs.redis.workers import Worker
from kaboom.web.routers import view_of

#: A job is sent at most once in this many seconds.
PERIOD_S = 0.5
#: A stream that is more than this many batches behind is ended: at least half a minute.
BATCHES_KEPT = 64
#: Proxies close a stream that sends nothing.
PING_S = 15.0
#: A stream ends after this long, and its client reconnects: the token is then checked again.
LONGEST_S = 600.0
#: A client without an id gets the changes of the last 10 s, because its page was rendered a little earlier.
_RECENT_MS = 10_000
#: The most jobs to replay; for more, the client reloads its list.
_MOST_REPLAYED = 500
_AWAY_S = 1.0
_CHANGES = FeedKey("", "", Feed.CHANGES)
_HELLO = format_sse_event(retry=2000, comment="changes of jobs")
_BEHIND = format_sse_event(comment="too slow: connect again")
_AWAY = format_sse_event(retry=5000, comment="the changes cannot be read now: connect again")
_OVER = format_sse_event(comment="connect again")

_log = structlog.get_logger(__name__)


class JobChange(BaseModel):
    """A job that has changed, as it is now."""

    queue: str = Field(examples=["ingest"])
    job_id: str = Field(examples=["dc84d88371794773b929d2957f6a663b"])
    task: str = Field(examples=["ingest.run_daily"])
    status: JobStatus = Field(examples=["running"])
    health: Health = Field(examples=["ok"])
    progress: Progress


@dataclass(slots=True)
class _Ring:
    """The newest batches of an owner."""

    streams: int = 0
    batches: deque[bytes] = field(default_factory=lambda: deque(maxlen=BATCHES_KEPT))
    #: How many batches there were.
    newest: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, text: bytes) -> None:
        self.newest += 1
        self.batches.append(text)
        self.changed.set()
        self.changed = asyncio.Event()

    def after(self, place: int) -> list[bytes] | None:
        """Return the batches after a place, or None if some of them were dropped."""
        missing = self.newest - place
        if missing > len(self.batches):
            return None
        return list(self.batches)[len(self.batches) - missing :]


class JobFeed:
    """Sends changed jobs to streams; reads events only while there are streams."""

    def __init__(self, store: JobStore, log: EventLog, hub: EventHub) -> None:
        self._store = store
        self._log = log
        self._hub = hub
        self._rings: dict[str, _Ring] = {}
        self._is_watched = asyncio.Event()
        #: The last change that was sent; "" while nobody watches.
        self._position = ""
        self._replays: Sharing[bytes] = Sharing()

    async def run(self) -> None:
        """Read for all streams until cancelled; retry while the store is unavailable."""
        while True:
            await self._is_watched.wait()
            try:
                await self._follow()
            except StoreError as e:
                _log.warning("changes_not_read", reason=e.message)
                await asyncio.sleep(_AWAY_S)
            except Exception:  # noqa: BLE001  without this loop no stream would get a change
                _log.exception("changes_crashed")
                await asyncio.sleep(_AWAY_S)

    async def watch(self, owner: str, *, after: str = "") -> AsyncGenerator[bytes]:
        """Yield the changes of an owner's jobs after an id as SSE text, by default those of the last seconds.

        It ends after some minutes. If events cannot be read, or the client is too slow, it ends with a comment.
        """
        yield _HELLO
        try:
            # Close it at once, not at garbage collection: it counts as a stream.
            async with contextlib.aclosing(self._stream(owner, after)) as texts:
                async for text in texts:
                    yield text
        except StoreError as e:
            _log.warning("stream_ended", reason=e.message)
            yield _AWAY

    async def _stream(self, owner: str, after: str) -> AsyncGenerator[bytes]:
        ends_at = time.monotonic() + LONGEST_S
        if not self._position:
            newest = await self._find_newest()
            # Another stream may have set it meanwhile.
            self._position = self._position or newest
        with self._watched(owner) as ring:
            place = ring.newest
            # Watch first, so that no change is lost between the replay and the live changes.
            if text := await self._resume(owner, after):
                yield text
            while time.monotonic() < ends_at:
                changed, batches = ring.changed, ring.after(place)
                if batches is None:
                    yield _BEHIND
                    return
                if batches:
                    place += len(batches)
                    yield b"".join(batches)
                elif not await _is_set(changed, PING_S):
                    yield _ping(self._position)
        yield _OVER

    @contextlib.contextmanager
    def _watched(self, owner: str) -> Iterator[_Ring]:
        ring = self._rings.setdefault(owner, _Ring())
        ring.streams += 1
        self._is_watched.set()
        try:
            yield ring
        finally:
            ring.streams -= 1
            if not ring.streams:
                del self._rings[owner]
            if not self._rings:
                self._is_watched.clear()
                self._position = ""

    async def _find_newest(self) -> str:
        span = await self._log.find_span(_CHANGES)
        return span[1] if span else START

    async def _follow(self) -> None:
        """Publish changes, at most every half second, until nobody watches."""
        changed, last, sent_at = dict[str, None](), "", 0.0
        watched = self._hub.watch("", "", feed=Feed.CHANGES, after=self._position, ping_s=PERIOD_S)
        async with contextlib.aclosing(cast("AsyncGenerator[JobEvent | None]", watched)) as events:
            async for event in events:
                if not self._rings:
                    return
                if event:
                    changed[event.data], last = None, event.event_id
                if changed and time.monotonic() - sent_at >= PERIOD_S:
                    await self._publish(changed, last)
                    changed, sent_at = {}, time.monotonic()

    async def _publish(self, changed: Iterable[str], last: str) -> None:
        jobs, workers = await self._load(changed)
        for owner, ring in self._rings.items():
            if text := _write([job for job in jobs if job.owner == owner], workers, last):
                ring.add(text)
        self._position = last if self._rings else ""

    async def _load(self, changed: Iterable[str]) -> tuple[list[Job], list[Worker]]:
        """Return the changed jobs, and the workers, with one round trip for each queue."""
        ids: dict[str, list[str]] = {}
        for name in changed:
            queue, _, job_id = name.split(":")
            ids.setdefault(queue, []).append(job_id)
        loading = asyncio.gather(*(self._store.load(queue, job_ids) for queue, job_ids in ids.items()))
        workers, found = await asyncio.gather(self._store.workers(), loading)
        return [job for of_queue in found for job in of_queue if job], workers

    async def _resume(self, owner: str, after: str) -> bytes:
        """Return the changes before the first batch of a stream."""
        if after and parse_event_id(after) >= parse_event_id(self._position):
            return b""
        return await self._replays.ask((owner, after), lambda: self._replay(owner, after))

    async def _replay(self, owner: str, after: str) -> bytes:
        """Return the jobs that changed after an id, as they are now; a `reset` if they are too many or unknown."""
        position = self._position
        kept = await self._log.read("", "", after=after or _shortly_before(position), feed=Feed.CHANGES)
        # Read the span last: if changes were trimmed after the read above, the client is reset and misses nothing.
        span = await self._log.find_span(_CHANGES)
        names = dict.fromkeys(event.data for event in kept)
        if len(names) > _MOST_REPLAYED or (after and not _is_kept(after, span)):
            return format_sse_event(event="reset", data_str="{}", id=position)
        jobs, workers = await self._load(names)
        return _write([job for job in jobs if job.owner == owner], workers, position)


def _is_kept(after: str, span: tuple[str, str] | None) -> bool:
    """Return whether all changes after an id are still kept."""
    return after == START if span is None else parse_event_id(span[0]) <= parse_event_id(after)


def _shortly_before(position: str) -> str:
    """Return an id some seconds before another."""
    return f"{max(parse_event_id(position)[0] - _RECENT_MS, 0)}-0"


def _write(jobs: list[Job], workers: list[Worker], last: str) -> bytes:
    """Return an event for each job; only the last has an id, so that a batch that was cut off is sent again."""
    events = []
    for number, job in enumerate(jobs, 1):
        health, progress = judge_health(job, workers), view_progress(job, workers)
        change = view_of(JobChange, job, health=health, progress=progress)
        event_id = last if number == len(jobs) else None
        events.append(format_sse_event(event="job", data_str=change.model_dump_json(), id=event_id))
    return b"".join(events)


def _ping(position: str) -> bytes:
    # Clients ignore an event without data, but store its id.
    return f": ping\nid: {position}\n\n".encode() if position else b": ping\n\n"


async def _is_set(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        async with asyncio.timeout(timeout_s):
            return await event.wait()
    except TimeoutError:
        return False
