"""The loop of notifications: finds events, makes messages of them, and submits the jobs that send the messages."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.errors import KaboomError
from kaboom.jobs.engine.lifecycle import Jobs
from kaboom.notify.jobs import DELIVER
from kaboom.notify.routing import route
from kaboom.notify.scan import Missing, find_events
from kaboom.notify.store import open_notifications

STEP_S = 1.0
SCAN_S = 15.0
_PURGE_S = 3600.0

_log = structlog.get_logger(__name__)


class Notifier:
    """Several may run: each event is saved and routed once, and a channel has at most one unfinished job."""

    def __init__(self, jobs: Jobs, missing: Missing) -> None:
        self._jobs = jobs
        self._notifications = jobs.parts.database.open(open_notifications)
        self._missing = missing
        self._due_at: dict[str, float] = {}

    async def run(self) -> None:
        """Run until cancelled; retry while a store is unavailable."""
        while True:
            await self._guarded(self.step)
            await asyncio.sleep(STEP_S)

    async def step(self) -> None:
        """Do the work that is due now."""
        await self._every(SCAN_S, self.scan)
        await self._every(_PURGE_S, self._purge)
        log, now = self._notifications.log, utc_now()
        while await log.fan_out(partial(route, now=now), now):
            pass
        for owner, channel_id in await log.due_channels(now):
            await self._jobs.submit(DELIVER, {"channel_id": channel_id}, owner=owner)

    async def scan(self) -> None:
        """Save the events that no transaction of the ledger records."""
        async for events in find_events(self._jobs.parts, self._missing, utc_now()):
            await self._notifications.events.note(events)

    async def _purge(self) -> None:
        if count := await self._notifications.log.purge(utc_now()):
            _log.info("notifications_purged", count=count)

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        now = asyncio.get_running_loop().time()
        if now >= self._due_at.get(work.__name__, 0.0):
            self._due_at[work.__name__] = now + seconds
            await self._guarded(work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except KaboomError as e:
            _log.warning("notifications_waiting", reason=e.message)
        except Exception:  # noqa: BLE001  otherwise the loop would end, and no notification would be sent
            _log.exception("notifications_crashed")
