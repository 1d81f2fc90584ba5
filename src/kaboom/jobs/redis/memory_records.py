"""The records and feeds of the job store in memory: a job with its chunks and runs, and how they change together."""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from kaboom.drivers.clock import Clock, from_ms, to_ms, utc_now
from kaboom.jobs.model import (
    PLAN,
    SHORTEST_S,
    Chunk,
    ChunkState,
    Job,
    JobStatus,
    Pace,
    Tally,
    describe_failed_items,
    settle_status,
)
from kaboom.jobs.redis import keys
from kaboom.jobs.redis.events import Feed, FeedKey, JobEvent, parse_event_id
from kaboom.jobs.redis.store import MOST_RETURNS, Lapse, Refusal, describe_lapses
from kaboom.jobs.runs import REASON_KEPT, RUNS_KEPT, ChunkRun

_KEPT = {Feed.EVENTS: 500, Feed.LINES: 1000, Feed.CHANGES: 5000}
_CHANGES = FeedKey("", "", Feed.CHANGES)


class MemoryEventLog:
    """`EventLog` in memory."""

    def __init__(self, clock: Clock = utc_now) -> None:
        self._clock = clock
        self._feeds: dict[FeedKey, deque[JobEvent]] = {}
        self._last = (0, 0)
        self._appended = asyncio.Event()

    def append(self, queue: str, job_id: str, kind: str, data: str) -> None:
        """Add an event, with an id after every earlier one."""
        self._add(FeedKey(queue, job_id), kind, data)
        self._add(_CHANGES, kind, keys.job(queue, job_id))

    def forget(self, queue: str, job_id: str) -> None:
        """Drop the feeds of a job."""
        for feed in (Feed.EVENTS, Feed.LINES):
            self._feeds.pop(FeedKey(queue, job_id, feed), None)

    async def read(self, queue: str, job_id: str, *, after: str, feed: Feed = Feed.EVENTS) -> list[JobEvent]:
        place = parse_event_id(after)
        kept = self._feeds.get(FeedKey(queue, job_id, feed), ())
        return [event for event in kept if parse_event_id(event.event_id) > place]

    async def wait(self, after: Mapping[FeedKey, str], *, timeout_ms: int) -> dict[FeedKey, list[JobEvent]]:
        deadline = time.monotonic() + timeout_ms / 1000
        while True:
            self._appended.clear()
            found = {
                key: await self.read(key.queue, key.job_id, after=place, feed=key.feed) for key, place in after.items()
            }
            if any(found.values()):
                return {key: events for key, events in found.items() if events}
            try:
                async with asyncio.timeout(max(0.0, deadline - time.monotonic())):
                    await self._appended.wait()
            except TimeoutError:
                return {}

    async def find_span(self, key: FeedKey) -> tuple[str, str] | None:
        kept = self._feeds.get(key)
        return (kept[0].event_id, kept[-1].event_id) if kept else None

    async def write_lines(self, lines: Mapping[FeedKey, Sequence[str]]) -> None:
        for key, texts in lines.items():
            # Every live job has at least the event that it was queued.
            if FeedKey(key.queue, key.job_id) in self._feeds:
                for text in texts:
                    self._add(key, "line", text)

    def _add(self, key: FeedKey, kind: str, data: str) -> None:
        ms, (last_ms, number) = int(self._clock().timestamp() * 1000), self._last
        self._last = (ms, 0) if ms > last_ms else (last_ms, number + 1)
        event = JobEvent(f"{self._last[0]}-{self._last[1]}", kind, data)
        self._feeds.setdefault(key, deque(maxlen=_KEPT[key.feed])).append(event)
        self._appended.set()


_LONG_AGO = datetime.min.replace(tzinfo=UTC)
#: A claim that is this much earlier than the end of a pause still counts as after the pause.
_EARLY = timedelta(seconds=1)


@dataclass
class Slot:
    """A chunk and its claim."""

    chunk: Chunk
    fence: str = ""
    owner: str = ""
    lease_ends: float = 0.0
    due_at: float = 0.0
    retry_at: float | None = None
    waits: int = 0
    raised: str = ""
    lapses: tuple[Lapse, ...] = ()
    returns: int = 0

    def cause(self) -> str:
        """Return why the attempts failed: the last error of the handler, and what was seen of its worker processes."""
        lapsed = describe_lapses(self.lapses, self.chunk.attempts)
        return "; ".join(text for text in (self.raised, lapsed) if text)

    def give_back(self, fence: str) -> None:
        """Count an attempt no more whose lease was taken back: its process is here again, so it had not died."""
        kept = tuple(lapse for lapse in self.lapses if lapse.fence != fence)
        if kept == self.lapses or self.chunk.state.is_final or self.returns >= MOST_RETURNS:
            return
        self.lapses, self.returns = kept, self.returns + 1
        self.chunk = replace(self.chunk, attempts=self.chunk.attempts - 1)


@dataclass
class Record:
    """A job and its chunks."""

    job: Job
    events: MemoryEventLog
    clock: Clock
    slots: dict[str, Slot] = field(default_factory=dict)
    is_cancelled: bool = False
    #: Why the first item failed, and why the first chunk was given up.
    cause: str = ""
    dead_cause: str = ""
    #: When the rate was last measured, and how many items were settled then.
    rate_at: datetime | None = None
    rate_settled: int = 0


def find_refusal(record: Record, slot: Slot) -> Refusal | None:
    """Return why a chunk cannot be claimed now; None if it can be claimed."""
    if record.job.status.is_final:
        return Refusal.STOP
    if slot.chunk.state.is_final:
        return Refusal.DUPLICATE
    if slot.chunk.state is ChunkState.RUNNING:
        # Also after its lease has run out: only the reaper judges whether the worker process died.
        return Refusal.BUSY
    return Refusal.STOP if record.is_cancelled else None


def account(slot: Slot, tally: Tally) -> None:
    """Save the progress of a chunk; the plan step has no items."""
    if slot.chunk.n != PLAN:
        slot.chunk = replace(slot.chunk, tally=tally)


def recount(record: Record) -> None:
    """Set the job's counters to the sums over its chunks; in memory a full recount is cheap."""
    chunks = [slot.chunk for n, slot in record.slots.items() if n != PLAN]
    for chunk in chunks:
        record.cause = record.cause or chunk.tally.cause
        if chunk.lost:
            record.dead_cause = record.dead_cause or chunk.error or chunk.tally.cause
    tallies = [
        chunk.left_over(record.job.lost_item, "") if chunk.state is ChunkState.DEAD else chunk.tally for chunk in chunks
    ]
    cancelled = sum(len(c.items) - c.tally.cursor for c in chunks if c.state is ChunkState.CANCELLED)
    outcomes: Counter[str] = Counter()
    counts: Counter[str] = Counter()
    for tally in tallies:
        outcomes.update(tally.outcomes)
        counts.update(tally.counts)
    touch(
        record,
        total=sum(len(c.items) for c in chunks),
        chunks_total=len(chunks),
        chunks_done=sum(c.state.is_final for c in chunks),
        dead=sum(c.state is ChunkState.DEAD for c in chunks),
        done=sum(t.done for t in tallies),
        failed=sum(t.failed for t in tallies),
        written=sum(t.written for t in tallies),
        rows=sum(t.rows for t in tallies),
        cancelled=cancelled,
        outcomes={outcome: n for outcome, n in outcomes.items() if n},
        counts={name: n for name, n in counts.items() if n},
    )
    _update_rate(record)


def restart_rate(record: Record) -> None:
    """Restart the rate when a job begins or a pause has ended: the time before was not spent on items."""
    job, now = record.job, record.clock()
    goes_on = job.paused_until is not None and (record.rate_at or _LONG_AGO) < job.paused_until <= now + _EARLY
    if job.started_at is None or goes_on:
        record.rate_at, record.rate_settled = now, job.settled


def _update_rate(record: Record) -> None:
    job, now = record.job, record.clock()
    elapsed_s = (now - (record.rate_at or job.started_at or now)).total_seconds()
    if elapsed_s < SHORTEST_S:
        return
    items = job.settled - record.rate_settled
    pace = Pace(items / elapsed_s) if job.rate is None else Pace(job.rate, job.rate_spread).after(items, elapsed_s)
    record.job = replace(job, rate=pace.rate, rate_spread=pace.spread)
    record.rate_at, record.rate_settled = now, job.settled


def finish_if_settled(record: Record) -> None:
    """Recount, and end the job if its plan step and every chunk have ended."""
    recount(record)
    job, plan = record.job, record.slots.get(PLAN)
    if job.status.is_final or job.chunks_done < job.chunks_total:
        return
    if plan is None or not plan.chunk.state.is_final:
        return
    status = settle_status(written=job.written, failed=job.failed, is_cancelled=record.is_cancelled)
    error = job.error
    if job.failed and not record.is_cancelled:
        cause = record.dead_cause or record.cause
        error = describe_failed_items(failed=job.failed, total=job.total, cause=cause)
    touch(record, status=status, error=error, completed_at=record.clock())


def fail_job(record: Record, error: Mapping[str, Any]) -> None:
    """End a job whose plan step has failed."""
    if record.is_cancelled:
        touch(record, status=JobStatus.CANCELLED, completed_at=record.clock())
    else:
        touch(record, status=JobStatus.FAILED, error=dict(error), completed_at=record.clock())


def note_pause(record: Record, pause_s: float, reason: str) -> None:
    """Record until when chunks wait for a provider, and why; ignore an end that is less than a second later."""
    ends, known = record.clock() + timedelta(seconds=pause_s), record.job.paused_until
    if known is None or ends > known + timedelta(seconds=1):
        touch(record, paused_until=ends, pause_reason=reason)
        record.events.append(record.job.queue, record.job.job_id, "paused", str(to_ms(ends)))


def touch(record: Record, **changes: Any) -> None:
    """Change a job, and record it as an event."""
    before = record.job
    record.job = job = replace(before, **changes, updated_at=record.clock(), version=before.version + 1)
    if job.status is not before.status:
        record.events.append(job.queue, job.job_id, "status", job.status.value)
    elif (job.settled, job.total) != (before.settled, before.total):
        record.events.append(job.queue, job.job_id, "progress", f"{job.done}/{job.failed}/{job.total}")


def cancelled(chunk: Chunk) -> Chunk:
    """Return a chunk as cancelled."""
    return replace(chunk, state=ChunkState.CANCELLED)


def begin_run(slot: Slot, now: datetime) -> None:
    """Record that a chunk was claimed."""
    chunk, last = slot.chunk, slot.chunk.runs[-1:]
    run = ChunkRun(
        last[0].run + 1 if last else 1,
        slot.owner,
        from_ms(to_ms(now)),
        settled_before=chunk.tally.cursor,
        failed_before=chunk.tally.failed,
    )
    slot.chunk = replace(chunk, runs=(*chunk.runs, run)[-RUNS_KEPT:])


def end_run(slot: Slot, ending: str, now: datetime, *, reason: str = "", pause_s: float = 0.0) -> None:
    """Record how the current run ended, if there is one."""
    *earlier, last = slot.chunk.runs or (None,)
    if last is None or last.ended_at:
        return
    tally = slot.chunk.tally
    ended = replace(
        last,
        ended_at=from_ms(to_ms(now)),
        ending=ending,
        settled=tally.cursor - last.settled_before,
        failed=tally.failed - last.failed_before,
        reason=reason[:REASON_KEPT],
        paused_until=from_ms(to_ms(now + timedelta(seconds=pause_s))) if pause_s else None,
    )
    slot.chunk = replace(slot.chunk, runs=(*filter(None, earlier), ended))
