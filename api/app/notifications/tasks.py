"""The job handler of notifications: send the due messages of a channel."""

from functools import partial

from app.engine.run.worker import Run
from app.ledger.outbox.port import DeliveryStatus
from app.notifications.delivering import Deliverer, send_by_channel
from app.notifications.jobs import DeliverResult
from app.notifications.setup import build_sealer
from batch.notify.request import DeliverRequest

#: The most messages that a job sends; the notifier submits another job for the rest.
_MOST = 100


async def deliver(run: Run) -> DeliverResult:
    """Send the messages of a channel until none is due; after a failed attempt the channel rests.

    Raises:
        NotFound: the owner has no such channel.
        StoreError: the ledger is unavailable; the job continues later.

    """
    channel_id = DeliverRequest.parse(run.request).channel_id
    notifications = run.parts.notifications
    await notifications.rules.load_channel(run.owner, channel_id)
    send = partial(send_by_channel, build_sealer(run.parts.settings), run.parts.callbacks)
    deliverer = Deliverer(notifications.log, send)
    delivered = failed = 0
    while delivered + failed < _MOST and not run.should_stop():
        run.keeper.note_life()
        status = await deliverer.deliver_next(channel_id)
        if status is None:
            break
        delivered += status is DeliveryStatus.DELIVERED
        failed += status is not DeliveryStatus.DELIVERED
    return DeliverResult(channel_id=channel_id, delivered=delivered, failed=failed)
