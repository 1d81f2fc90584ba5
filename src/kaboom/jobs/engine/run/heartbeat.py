"""Renew the lease of a chunk while its work runs, and notice when the lease is lost or the work stalls."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import structlog

from kaboom.errors import StoreError
from kaboom.jobs.model import Tally
from kaboom.jobs.redis.store import BEAT_S, SILENT_S, Beat, JobStore, Lease

#: Waiting for a rate-limit slot or for a CPU does not count as a stall, up to this long after the last report.
LONGEST_WAIT_S = 900.0
#: How late a look may be; the time beyond it, the process was stopped or its event loop blocked.
_LATEST_S = 5.0
_THREADS = Path("/proc/self/task")


class StallClock:
    """Adds up the time between looks in which nothing was finished; `time` is the time of the event loop.

    Time in which the process did not run is not counted: it was stopped, or had to wait for a CPU. While its event loop
    is blocked nobody looks; then the reaper judges the process by its silence.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._reported_at = self._looked_at = time()
        self._idle_s = 0.0
        self._waits: dict[str, int] | None = None

    def report(self) -> None:
        """Begin again: an item was finished."""
        self._reported_at = self._time()
        self._begin()

    def note_life(self) -> None:
        """Begin again: the work waits for a rate-limit slot; this helps for `LONGEST_WAIT_S` at most."""
        if self._time() - self._reported_at <= LONGEST_WAIT_S:
            self._begin()

    def look(self, planned_s: float) -> None:
        """Count the time since the last look, which was to be `planned_s` ago."""
        now = self._time()
        self._idle_s += min(now - self._looked_at, planned_s + _LATEST_S)
        self._looked_at = now
        if self._waits is None:
            self._waits = read_cpu_waits()

    def has_stalled(self, stall_s: float) -> bool:
        """Return whether nothing was finished for so long."""
        if self._idle_s <= stall_s:
            return False
        waited_s = longest_cpu_wait_s(self._waits or {}, read_cpu_waits())
        return self._idle_s - waited_s > stall_s or self._time() - self._reported_at > LONGEST_WAIT_S

    def _begin(self) -> None:
        self._looked_at, self._idle_s, self._waits = self._time(), 0.0, None


#: A new tally is sent at most this often, to save Redis commands.
_REPORT_S = 0.5
#: How often work that can stop at any moment checks whether its job was cancelled.
_LOOK_S = 0.25
#: A chunk that finishes no item for this long is stalled: it is stopped, and another worker may take it.
STALL_S = SILENT_S

_log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Report a chunk's tally and renew its lease while the body of an `async with` runs.

    The body is cancelled when the lease is lost (`is_lost`) or the chunk stalls (`is_stalled`).
    """

    def __init__(self, store: JobStore, lease: Lease, tally: Tally, *, stall_s: float = STALL_S) -> None:
        self._store = store
        self._lease = lease
        self.stall_s = stall_s
        self._fresh = asyncio.Event()
        self._pause_s, self._quiet_s = _REPORT_S, BEAT_S - _REPORT_S
        self._loop = asyncio.get_running_loop()
        self._began_at = self._loop.time()
        self._stall = StallClock(self._loop.time)
        self._is_ending = False
        self._body: asyncio.Task[object] | None = None
        self._beats: asyncio.Task[None] | None = None
        self.tally = tally
        self.is_cancelled = False
        self.is_lost = False
        self.is_stalled = False

    @property
    def elapsed_s(self) -> float:
        """Seconds since the work began."""
        return self._loop.time() - self._began_at

    def report(self, tally: Tally) -> None:
        """Record progress; the next beat sends it."""
        self.tally = tally
        self._stall.report()
        self._fresh.set()

    def look_often(self) -> None:
        """Check four times a second from now on whether the job was cancelled, even without progress to report."""
        self._pause_s, self._quiet_s = _LOOK_S, 0.0

    def note_life(self) -> None:
        """Record that the work waits for a rate-limit slot; this prevents a stall for 15 minutes at most."""
        self._stall.note_life()

    @contextlib.contextmanager
    def ending(self) -> Iterator[None]:
        """End the lease in the block: from then on, a heartbeat that finds it ended is no loss, unless it raises."""
        self._is_ending = True
        try:
            yield
        except BaseException:
            self._is_ending = False
            raise

    async def __aenter__(self) -> Self:
        """Start the heartbeat."""
        self._body = asyncio.current_task()
        self._beats = asyncio.create_task(self._beat_on(), name="lease-keeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop the heartbeat."""
        if self._beats:
            self._beats.cancel()
            # Awaiting the task itself would raise its CancelledError, which would look like this task's own.
            await asyncio.wait([self._beats])
            if not self._beats.cancelled():
                self._beats.result()

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), self._quiet_s)
            self._fresh.clear()
            self._stall.look(self._pause_s + self._quiet_s)
            self.is_stalled = self._stall.has_stalled(self.stall_s)
            if not self.is_stalled:
                await self._beat()
            if (self.is_lost or self.is_stalled) and self._body:
                self._body.cancel()
                return

    async def _beat(self) -> None:
        try:
            answer = await self._store.beat(self._lease, self.tally)
        except StoreError as e:
            # The lease lasts three beats. If Redis is unavailable for longer, the next claim has a newer fence.
            _log.warning("beat_missed", reason=e.message)
            return
        self.is_cancelled = self.is_cancelled or answer is Beat.CANCEL
        self.is_lost = answer is Beat.LOST and not self._is_ending


def read_cpu_waits() -> dict[str, int]:
    """Return for each thread of this process the nanoseconds that it has waited for a CPU; {} if they are unknown."""
    found = {}
    for path in _THREADS.glob("*/schedstat"):
        try:
            found[path.parent.name] = int(path.read_text("ascii").split()[1])
        except (OSError, ValueError, IndexError):
            # The thread has ended, or the kernel does not count.
            continue
    return found


def longest_cpu_wait_s(before: dict[str, int], now: dict[str, int]) -> float:
    """Return the seconds that the thread which waited longest has waited for a CPU between two readings."""
    return max((waited - before.get(thread, 0) for thread, waited in now.items()), default=0) / 1e9
