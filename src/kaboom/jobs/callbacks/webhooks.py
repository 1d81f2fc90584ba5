"""Sending one webhook, signed as Standard Webhooks says, and the verdict on the receiver's answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus

from kaboom.drivers.clock import Clock, utc_now
from kaboom.drivers.http.poster import HttpPoster
from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import parse_retry_after
from kaboom.errors import InvalidRequest
from kaboom.jobs.callbacks.url_guard import CallbackRules, check_address

#: Seconds from one attempt to the next, as Standard Webhooks proposes: the tenth and last comes 75.6 h after the first.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: Notifications come sooner or not at all: the tenth and last attempt comes 16 h after the first.
MESSAGE_DELAYS_S = (5, 15, 30, 60, 300, 900, 3_600, 10_800, 43_200)
#: Receivers that failed together are not called again together.
JITTER = 0.2
#: A receiver may ask for a pause of a day at most.
LONGEST_RETRY_AFTER_S = 86_400.0
_ASKS_FOR_A_PAUSE = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


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


@dataclass(frozen=True, slots=True)
class Verdict:
    """The verdict on an attempt: `delay_s` until the next one, None if there is none; `error` in words."""

    is_delivered: bool
    delay_s: float | None = None
    error: str | None = None


def judge_reply(
    reply: Reply, attempt: int, *, now: datetime, chance: float, delays_s: Sequence[int] = DELAYS_S
) -> Verdict:
    """Judge the answer to the n-th attempt, counted from 1; `chance` is from 0 to 1.

    Any 2xx is a delivery; a redirect is not. 410 ends the delivery. 429 and 503 may ask for more time with
    `Retry-After`, a day at most.
    """
    status = reply.status
    if status is not None and 200 <= status < 300:
        return Verdict(is_delivered=True)
    error = reply.failure if status is None else f"the receiver answered {status}"
    if status == HTTPStatus.GONE or attempt > len(delays_s):
        return Verdict(is_delivered=False, error=error)
    delay_s = delays_s[attempt - 1] * (1 + JITTER * chance)
    if status in _ASKS_FOR_A_PAUSE:
        delay_s = max(delay_s, min(parse_retry_after(reply.headers, now) or 0.0, LONGEST_RETRY_AFTER_S))
    return Verdict(is_delivered=False, delay_s=delay_s, error=error)
