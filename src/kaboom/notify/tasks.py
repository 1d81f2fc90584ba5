"""The job handler of notifications: send the due messages of a channel."""

import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

import structlog

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.encryption import Sealer
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import retry_while_unavailable
from kaboom.errors import ConfigurationError
from kaboom.jobs.callbacks.url_guard import CallbackRules
from kaboom.jobs.callbacks.webhooks import MESSAGE_DELAYS_S, Webhook, WebhookSender, judge_reply
from kaboom.jobs.engine.run.completion import Settled
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.postgres.outbox import AttemptEnd, DeliveryStatus
from kaboom.notify.apprise_sender import send_by_apprise
from kaboom.notify.jobs import DeliverResult
from kaboom.notify.model import ChannelKind, Claimed, NotificationLog
from kaboom.notify.request import DeliverRequest
from kaboom.notify.setup import build_sealer
from kaboom.notify.store import open_notifications
from kaboom.notify.texts import Text, write_body, write_text

#: How long to retry saving a result while the ledger is unavailable; the lease of the attempt lasts longer.
_PATIENCE_S = 30.0

_log = structlog.get_logger(__name__)

type Send = Callable[[Claimed, Text], Awaitable[Reply]]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt to send a message, and how it ended."""

    message_id: str
    end: AttemptEnd


@dataclass(frozen=True, slots=True)
class Deliverer:
    """Sends the messages of channels, one after the other; their links lead to `site`."""

    log: NotificationLog
    send: Send
    clock: Clock = utc_now
    chance: Callable[[], float] = random.random
    site: str = ""

    async def deliver_next(self, channel_id: str) -> Attempt | None:
        """Make one attempt; return it, or None if no message is due.

        Raises:
            StoreError: the ledger is unavailable; a message that was already sent is sent again.

        """
        claimed = await self.log.claim(channel_id, self.clock())
        if claimed is None:
            return None
        began_at = time.monotonic()
        reply = await self.send(claimed, write_text(claimed.message, claimed.events, site=self.site))
        attempt = claimed.message.attempts
        verdict = judge_reply(reply, attempt, now=self.clock(), chance=self.chance(), delays_s=MESSAGE_DELAYS_S)
        end = AttemptEnd.of(reply, verdict)
        took_ms = round((time.monotonic() - began_at) * 1000)
        is_kept = await retry_while_unavailable(
            lambda: self.log.save_attempt(claimed.message, end, took_ms=took_ms, now=self.clock()), for_s=_PATIENCE_S
        )
        _log.info(
            "notification_sent" if is_kept else "notification_overtaken",
            message_id=claimed.message.message_id,
            channel_id=channel_id,
            attempt=attempt,
            status=end.status.value,
            http_status=end.http_status,
            error=end.error,
        )
        return Attempt(claimed.message.message_id, end)


async def send_by_channel(sealer: Sealer | None, rules: CallbackRules, claimed: Claimed, text: Text) -> Reply:
    """Send a message once, as a signed webhook or through apprise; the reply contains any failure, without the URL."""
    if sealer is None:
        return Reply(None, failure="KABOOM_NOTIFICATION_KEY is not set")
    try:
        url = sealer.unseal(claimed.channel.sealed)
    except ConfigurationError as e:
        return Reply(None, failure=e.message)
    message = claimed.message
    if claimed.channel.kind is ChannelKind.WEBHOOK:
        body = write_body(message, claimed.events, text)
        return await WebhookSender(rules).send(Webhook(message.message_id, url, body))
    return await send_by_apprise(rules.guard, url, text.title, text.body, message_id=message.message_id)


#: The most messages that a job sends; the notifier submits another job for the rest.
_MOST = 100


async def deliver(run: Run) -> Settled:
    """Send the messages of a channel until none is due; after a failed attempt the channel rests.

    The job has an item for each message: it ends as `failed` if no attempt delivered its message.

    Raises:
        NotFound: the owner has no such channel.
        StoreError: the ledger is unavailable; the job continues later.

    """
    channel_id, settings = DeliverRequest.parse(run.request).channel_id, run.settings
    notifications = run.database.open(open_notifications)
    await notifications.rules.load_channel(run.owner, channel_id)
    send = partial(send_by_channel, build_sealer(settings), run.parts.callbacks)
    deliverer = Deliverer(notifications.log, send, site=settings.public_url or "")
    delivered, failed = list[str](), dict[str, str]()
    while len(delivered) + len(failed) < _MOST and not run.should_stop():
        run.keeper.note_life()
        attempt = await deliverer.deliver_next(channel_id)
        if attempt is None:
            break
        if attempt.end.status is DeliveryStatus.DELIVERED:
            delivered.append(attempt.message_id)
        else:
            failed[attempt.message_id] = attempt.end.error or ""
    result = DeliverResult(channel_id=channel_id, delivered=len(delivered), failed=len(failed))
    return Settled(result, done=delivered, failed=failed)
