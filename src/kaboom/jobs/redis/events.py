"""Streams of job events: one reader of the event log for all watchers of a process, and the log in Redis."""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import structlog

from kaboom.drivers.batcher import Sharing
from kaboom.drivers.redis.client import Redis, redis_errors, register_script
from kaboom.errors import InvalidRequest, StoreError
from kaboom.jobs.redis import keys
from kaboom.web.auth.principals import Principal, is_privileged
from kaboom.web.caller_errors import TooManyStreams

#: The media type in the `Accept` header of a request for a stream, and in the answer.
EVENT_STREAM = "text/event-stream"
_LATER_S = 5.0


class StreamSlots:
    """Counts open streams: an owner may have `most`, one caller half of them.

    A quarter is kept for admins and INGEST_API_TOKEN, so other callers cannot use up all.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._most_of_one = (most + 1) // 2
        self._most_of_others = most - most // 4
        self._taken: Counter[tuple[str, str]] = Counter()

    def is_full(self, caller: Principal) -> bool:
        """Return whether a caller can open no more streams."""
        return bool(self._find_refusal(caller))

    @contextmanager
    def take(self, caller: Principal) -> Iterator[None]:
        """Count one stream of a caller while the body of a `with` runs.

        Raises:
            TooManyStreams: the caller, or its owner, has reached its limit.

        """
        if refusal := self._find_refusal(caller):
            raise TooManyStreams(refusal, retry_after_s=_LATER_S)
        counted = _keys_of(caller)
        self._taken.update(counted)
        try:
            yield
        finally:
            for key in counted:
                self._taken[key] -= 1
                if not self._taken[key]:
                    del self._taken[key]

    def _find_refusal(self, caller: Principal) -> str:
        bounds = (
            (self._most_of_one, "streams and waits are open, which is the limit of a caller"),
            (self._most, "streams and waits are open, which is the limit of an owner"),
            (
                self._most_of_others,
                "streams and waits are open, which is the limit of the callers of an owner who are not admins",
            ),
        )
        for key, (most, why) in zip(_keys_of(caller), bounds, strict=False):
            if self._taken[key] >= most:
                return f"{most} {why}"
        return ""


def _keys_of(caller: Principal) -> list[tuple[str, str]]:
    """Return what a stream counts for: the caller, its owner and, unless privileged, all others of the owner."""
    keys = [(caller.owner, f"caller {caller.subject}"), (caller.owner, "all")]
    return keys if is_privileged(caller) else [*keys, (caller.owner, "others")]


#: The id before every event.
START = "0-0"
#: A watcher that falls this many events behind is disconnected; it reconnects with its last id and misses nothing. The
#: number is greater than a log keeps, since a first watcher from the start makes the reader send a whole log.
_BUFFER = 1500
#: How long one read waits; the events of a newly watched job arrive after this at the latest.
_READ_MS = 200
_PAUSE_S = 1.0
#: Concurrent reads of kept events: streams that begin together must leave Redis connections for other work.
_READERS = 8
#: After this many kept events a stream yields to the event loop.
_RUN = 20

#: Redis counts both parts of an id in 64 bits.
_MOST = 2**64
EVENT_ID = "^([0-9]{1,18})-([0-9]{1,18})$"
_EVENT_ID = re.compile(EVENT_ID)

_log = structlog.get_logger(__name__)


class Feed(StrEnum):
    """The feeds of a job, each in its own stream."""

    EVENTS = "events"  # changes of state, and progress
    LINES = "logs"  # log lines of the API and the workers
    CHANGES = "changes"  # one feed for all jobs: which job has changed


class FeedKey(NamedTuple):
    """One feed of one job; `CHANGES` is one feed of all jobs, without a queue and an id."""

    queue: str
    job_id: str
    feed: Feed = Feed.EVENTS


@dataclass(frozen=True, slots=True)
class JobEvent:
    """One event of a job, by its kind.

    The data of `status` is its name, of `progress` `done/failed/total`, of `paused` the end of the pause in
    milliseconds since 1970, and of `line` a log line. In `CHANGES` it is the queue and id of the job: `queue:job:id`.
    """

    event_id: str
    kind: str
    data: str


class EventLog(Protocol):
    """The stored feeds of jobs: about the newest 500 events and 1,000 lines of each job, until 7 days after its end.

    Of the changes of all jobs, about the newest 5,000 are kept.
    """

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        """Return the events after an id, oldest first."""
        ...

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        """Wait for new events of several feeds, each after its id; return {} if none arrives in time."""
        ...

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        """Return the ids of the oldest and the newest event of a feed; None if the feed is empty."""
        ...

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        """Add log lines, as JSON, to the feeds of several jobs; lines of a job that is not live are dropped."""
        ...


def parse_event_id(text: str) -> tuple[int, int]:
    """Return an event id as two numbers, which can be compared.

    Raises:
        InvalidRequest: the text is not an event id.

    """
    found = _EVENT_ID.fullmatch(text)
    place = (int(found[1]), int(found[2])) if found else (_MOST, _MOST)
    if max(place) >= _MOST:
        raise InvalidRequest(
            f"the id of an event was {text[:50]!r} (Last-Event-ID or after), expected one such as {START}"
        )
    return place


@dataclass
class _Topic:
    """A watched feed: the id of its last event that was read, and the inboxes of its watchers."""

    position: str
    inboxes: list["asyncio.Queue[JobEvent | None]"] = field(default_factory=list)


class EventHub:
    """Sends the events of jobs to any number of watchers, with one reader."""

    def __init__(self, log: EventLog, *, most_streams: int = 256) -> None:
        self._log = log
        self.slots = StreamSlots(most_streams)
        self._topics: dict[FeedKey, _Topic] = {}
        self._is_watched = asyncio.Event()
        self._readers = asyncio.Semaphore(_READERS)
        self._reads: Sharing[list[JobEvent]] = Sharing()

    async def run(self) -> None:
        """Read for all watchers until cancelled; wait while the log is unavailable."""
        while True:
            await self._is_watched.wait()
            positions = {key: topic.position for key, topic in self._topics.items()}
            try:
                found = await self._log.wait(positions, timeout_ms=_READ_MS)
            except StoreError as e:
                _log.warning("events_not_read", reason=e.message)
            except Exception:  # noqa: BLE001  without this loop no stream would get an event
                _log.exception("events_crashed")
            else:
                for key, events in found.items():
                    self._publish(key, events)
                continue
            await asyncio.sleep(_PAUSE_S)

    async def read(self, queue: str, job_id: str, *, after: str = START, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        """Return the kept events of a job after an id; concurrent identical calls share one read.

        Raises:
            StoreError: the events could not be read in 5 s.

        """

        async def find() -> list[JobEvent]:
            async with self._readers:
                return await self._log.read(queue, job_id, after=after, feed=feed)

        return await self._reads.ask((queue, job_id, after, feed), find)

    async def watch(
        self, queue: str, job_id: str, *, after: str = START, feed: Feed = Feed.EVENTS, ping_s: float = 15.0
    ) -> AsyncIterator[JobEvent | None]:
        """Yield each event of a job after an id, once and in order, and None after `ping_s` without an event.

        The iterator ends only if the watcher falls too far behind.

        Raises:
            StoreError: the kept events could not be read.

        """
        last = parse_event_id(after)
        with self._subscribed(FeedKey(queue, job_id, feed), after) as inbox:
            # Subscribe first, so that no event between the kept and the new ones is missed.
            for number, kept in enumerate(await self.read(queue, job_id, after=after, feed=feed), 1):
                last = parse_event_id(kept.event_id)
                yield kept
                if number % _RUN == 0:
                    await asyncio.sleep(0)
            while True:
                try:
                    async with asyncio.timeout(ping_s):
                        event = await inbox.get()
                except TimeoutError:
                    yield None
                    continue
                if event is None:
                    return
                if parse_event_id(event.event_id) > last:
                    yield event

    def _publish(self, key: FeedKey, events: list[JobEvent]) -> None:
        topic = self._topics.get(key)
        if topic is None or not events:
            return
        topic.position = events[-1].event_id
        for inbox in list(topic.inboxes):
            if inbox.qsize() + len(events) > _BUFFER:
                topic.inboxes.remove(inbox)
                inbox.put_nowait(None)
                continue
            for event in events:
                inbox.put_nowait(event)

    @contextlib.contextmanager
    def _subscribed(self, key: FeedKey, after: str) -> Iterator["asyncio.Queue[JobEvent | None]"]:
        inbox: asyncio.Queue[JobEvent | None] = asyncio.Queue()
        topic = self._topics.setdefault(key, _Topic(after))
        topic.inboxes.append(inbox)
        self._is_watched.set()
        try:
            yield inbox
        finally:
            with contextlib.suppress(ValueError):
                topic.inboxes.remove(inbox)
            if not topic.inboxes and self._topics.get(key) is topic:
                del self._topics[key]
            if not self._topics:
                self._is_watched.clear()


_STREAMS: Mapping[Feed, Callable[[str, str], str]] = {
    Feed.EVENTS: keys.events,
    Feed.LINES: keys.logs,
    Feed.CHANGES: lambda _queue, _job_id: keys.CHANGES,
}


class RedisEventLog:
    """`EventLog` on Redis or Valkey."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._add_lines = register_script(redis, "kaboom.jobs.redis", "log")

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        with redis_errors():
            found = await self._redis.xrange(_STREAMS[feed](queue, job_id), min=f"({after}")
        return _parse(found or [])

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        names = {_STREAMS[key.feed](key.queue, key.job_id): key for key in after}
        with redis_errors():
            found: Any = await self._redis.xread({name: after[key] for name, key in names.items()}, block=timeout_ms)
        return {names[name]: _parse(entries) for name, entries in found or []}

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        name = _STREAMS[key.feed](key.queue, key.job_id)
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                pipe.xrange(name, count=1)
                pipe.xrevrange(name, count=1)
                oldest, newest = await pipe.execute()
        return (oldest[0][0], newest[0][0]) if oldest and newest else None

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        with redis_errors():
            async with self._redis.pipeline(transaction=False) as pipe:
                for key, texts in lines.items():
                    await self._add_lines(keys=keys.of_job(key.queue, key.job_id), args=list(texts), client=pipe)
                await pipe.execute()


def _parse(entries: Sequence[Any]) -> list[JobEvent]:
    return [JobEvent(event_id, fields["t"], fields["d"]) for event_id, fields in entries]
