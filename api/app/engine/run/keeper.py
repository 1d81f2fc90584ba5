"""Keeping a lease alive beside the work, and learning what became of it."""

import asyncio
import contextlib
from types import TracebackType
from typing import Self

import structlog

from app.jobs.model import Tally
from app.live.store import BEAT_S, Beat, JobStore, Lease
from batch.errors import StoreError

#: A fresh tally is reported this soon; more often would only cost Redis commands.
_REPORT_S = 0.5
#: How often work that can stop at any moment asks whether its job was cancelled.
_LOOK_S = 0.25
#: A chunk that settles nothing for this long is hung: its lease is let go so that another worker may try.
STALL_S = 120.0
#: Waiting for a turn at its provider is no hanging, for so long after the last report.
LONGEST_WAIT_S = 900.0

_log = structlog.get_logger(__name__)


class LeaseKeeper:
    """Reports a chunk's tally and renews its lease while the body of an `async with` runs.

    The body is cancelled where the lease is lost or the chunk is stalled; `is_lost` and `is_stalled` say which.
    """

    def __init__(self, store: JobStore, lease: Lease, tally: Tally, *, stall_s: float = STALL_S) -> None:
        self._store = store
        self._lease = lease
        self.stall_s = stall_s
        self._fresh = asyncio.Event()
        self._pause_s, self._patience_s = _REPORT_S, BEAT_S - _REPORT_S
        self._loop = asyncio.get_running_loop()
        self._began_at = self._moved_at = self._reported_at = self._loop.time()
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
        """Take note of progress; it is sent with the next beat, soon."""
        self.tally = tally
        self._moved_at = self._reported_at = self._loop.time()
        self._fresh.set()

    def look_often(self) -> None:
        """Ask four times a second from now on whether the job was cancelled, also where there is nothing to report."""
        self._pause_s, self._patience_s = _LOOK_S, 0.0

    def note_life(self) -> None:
        """Take note that the work waits for its turn, and is not hung; one that waits for very long is all the same."""
        now = self._loop.time()
        if now - self._reported_at <= LONGEST_WAIT_S:
            self._moved_at = now

    async def __aenter__(self) -> Self:
        """Start to beat."""
        self._body = asyncio.current_task()
        self._beats = asyncio.create_task(self._beat_on(), name="lease-keeper")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop to beat."""
        if self._beats:
            self._beats.cancel()
            # Not awaited itself: its cancellation would look like one of this task, which must not be swallowed.
            await asyncio.wait([self._beats])
            if not self._beats.cancelled():
                self._beats.result()

    async def _beat_on(self) -> None:
        while True:
            await asyncio.sleep(self._pause_s)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._fresh.wait(), self._patience_s)
            self._fresh.clear()
            if self._loop.time() - self._moved_at > self.stall_s:
                self.is_stalled = True
            else:
                await self._beat()
            if (self.is_lost or self.is_stalled) and self._body:
                self._body.cancel()
                return

    async def _beat(self) -> None:
        try:
            answer = await self._store.beat(self._lease, self.tally)
        except StoreError as e:
            # The lease lasts three beats; if Redis stays away longer, whoever claims next has a newer fence.
            _log.warning("beat_missed", reason=e.message)
            return
        self.is_cancelled = self.is_cancelled or answer is Beat.CANCEL
        self.is_lost = answer is Beat.LOST
