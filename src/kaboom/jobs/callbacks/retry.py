"""The verdict on a receiver's answer: delivered, dead, or another attempt after a pause; pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

from kaboom.drivers.http.reply import Reply
from kaboom.drivers.retry import parse_retry_after

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
