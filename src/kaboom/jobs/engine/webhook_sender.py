"""Send webhooks that are due; several couriers may run, and each delivery is sent by one of them at a time."""

import asyncio
import random
import time
import traceback
from collections.abc import Callable

import structlog

from kaboom.drivers.clock import utc_now
from kaboom.drivers.retry import retry_while_unavailable
from kaboom.errors import KaboomError
from kaboom.jobs.callbacks.webhooks import Webhook, WebhookSender, judge_reply
from kaboom.jobs.engine.parts import Parts
from kaboom.jobs.postgres.outbox import AttemptEnd, Delivery, Outbox, host_of

POLL_S = 1.0
#: The most concurrent deliveries, in all and to one host, so that a slow receiver delays few other deliveries.
SLOTS, PER_HOST = 64, 4
_PURGE_S = 3600.0
#: How long saving an attempt is repeated while the ledger is unavailable; the lease of the delivery lasts longer.
_PATIENCE_S = 30.0

_log = structlog.get_logger(__name__)


class Courier:
    """Claims due deliveries and sends them; an interrupted delivery is sent again with the same id after its lease."""

    def __init__(self, outbox: Outbox, sender: WebhookSender, *, chance: Callable[[], float] = random.random) -> None:
        self._outbox = outbox
        self._sender = sender
        self._chance = chance
        #: The deliveries that are being sent, each with its host.
        self._running: dict[asyncio.Task[None], str] = {}
        self._purged_at = -_PURGE_S

    async def run(self) -> None:
        """Send until cancelled; wait while the ledger is unavailable."""
        try:
            while True:
                self._forget_finished()
                try:
                    await self._purge()
                    await self.start_due()
                except KaboomError as e:
                    _log.warning("webhooks_waiting", reason=e.message)
                await self._pause()
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)

    async def start_due(self) -> int:
        """Start as many due deliveries as there are free slots; return how many were started."""
        self._forget_finished()
        free = SLOTS - len(self._running)
        if free == 0:
            return 0
        # A host gets new deliveries only when all of its running ones have ended.
        busy = sorted(set(self._running.values()))
        due = await self._outbox.claim(limit=free, per_host=PER_HOST, busy=busy)
        for delivery in due:
            self._running[asyncio.create_task(self._deliver(delivery))] = host_of(delivery.url)
        return len(due)

    def _forget_finished(self) -> None:
        """Remove the deliveries that have ended."""
        self._running = {task: host for task, host in self._running.items() if not task.done()}

    async def _pause(self) -> None:
        """Wait until a delivery may be due or a slot is free."""
        tasks = [task for task in self._running if not task.done()]
        if self._running and not tasks:
            # All have ended in the meantime, and their hosts may have more deliveries due.
            return
        if tasks:
            await asyncio.wait(tasks, timeout=POLL_S, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(POLL_S)

    async def _deliver(self, delivery: Delivery) -> None:
        words = {"delivery_id": delivery.delivery_id, "job_id": delivery.job_id, "attempt": delivery.attempts}
        log = _log.bind(**words, host=host_of(delivery.url))
        try:
            reply = await self._sender.send(Webhook(delivery.delivery_id, delivery.url, delivery.body or ""))
            verdict = judge_reply(reply, delivery.attempts, now=utc_now(), chance=self._chance())
            end = AttemptEnd.of(reply, verdict)
            is_kept = await self._save(delivery, end)
        except Exception as e:  # noqa: BLE001  one delivery must not end the courier; its lease brings it back
            # The message of an unexpected error may contain the URL, which is secret; its traceback does not.
            reason = e.message if isinstance(e, KaboomError) else type(e).__name__
            log.warning("webhook_interrupted", reason=reason, trace=traceback.format_tb(e.__traceback__))
            return
        word = "webhook_sent" if is_kept else "webhook_overtaken"
        log.info(word, status=end.status.value, http_status=end.http_status, error=end.error)

    async def _save(self, delivery: Delivery, end: AttemptEnd) -> bool:
        """Save the end of an attempt, also during a restart of the ledger; an attempt without an end is repeated."""
        return await retry_while_unavailable(lambda: self._outbox.save_attempt(delivery, end), for_s=_PATIENCE_S)

    async def _purge(self) -> None:
        if time.monotonic() - self._purged_at < _PURGE_S:
            return
        if count := await self._outbox.purge():
            _log.info("webhooks_purged", count=count)
        self._purged_at = time.monotonic()


async def run_courier(parts: Parts) -> None:
    """Send webhooks until cancelled; return at once if no signing secret is set."""
    if not parts.callbacks.signers:
        _log.info("webhooks_off", reason="KABOOM_WEBHOOK_SECRET is not set")
        return
    await Courier(parts.history.outbox, WebhookSender(parts.callbacks)).run()
