"""Sending one webhook: signed as Standard Webhooks says, to an address that the URL guard allows."""

from dataclasses import dataclass, field
from datetime import datetime

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.poster import HttpPoster
from kaboom.drivers.http.reply import Reply
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.callback import CallbackRules
from kaboom.jobs.callbacks.url_guard import check_address


@dataclass(frozen=True, slots=True)
class Webhook:
    """A message to a receiver; each attempt has the same id and body."""

    message_id: str
    url: str = field(repr=False)
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class WebhookSender:
    """Sends webhooks, signed with every secret: a receiver may move from one secret to the next at any time."""

    rules: CallbackRules
    poster: HttpPoster = field(default_factory=HttpPoster)
    clock: Clock = utc_now

    async def send(self, webhook: Webhook) -> Reply:
        """Send a webhook once and return the receiver's answer."""
        try:
            target = self.rules.guard.check(webhook.url)
        except InvalidRequest as e:
            # The operator's list has changed since the URL was accepted.
            return Reply(None, failure=e.message)
        check = _accept if target.is_trusted else check_address
        headers = self._headers(webhook, self.clock())
        return await self.poster.post(target.destination, webhook.body.encode(), headers=headers, check=check)

    def _headers(self, webhook: Webhook, now: datetime) -> dict[str, str]:
        signatures = [signer.sign(webhook.message_id, now, webhook.body) for signer in self.rules.signers]
        return {
            "Content-Type": "application/json",
            "User-Agent": "Kaboom-Webhooks",
            "webhook-id": webhook.message_id,
            "webhook-timestamp": str(int(now.timestamp())),
            "webhook-signature": " ".join(signatures),
        }


def _accept(address: str) -> None:
    """Accept any address of a host that the operator named."""
