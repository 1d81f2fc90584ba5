"""The job handler of notifications: send the due messages of a channel."""

from functools import partial

from kaboom.jobs.engine.run.answers import Settled
from kaboom.jobs.engine.run.worker import Run
from kaboom.jobs.postgres.outbox import DeliveryStatus
from kaboom.notify.delivering import Deliverer, send_by_channel
from kaboom.notify.jobs import DeliverResult
from kaboom.notify.request import DeliverRequest
from kaboom.notify.setup import build_sealer
from kaboom.notify.store import open_notifications

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
