"""What follows from a receiver's answer: delivered, dead, or once more after a while; pure."""

from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus

from batch.kit.http.poster import Answer

#: Seconds from one attempt to the next, as Standard Webhooks proposes: the tenth and last comes 75.6 h after the first.
DELAYS_S = (5, 300, 1_800, 7_200, 18_000, 36_000, 50_400, 72_000, 86_400)
#: Receivers that failed together are not called again together.
JITTER = 0.2
_MAX_RETRY_AFTER_S = 86_400.0
_SLOW_DOWN = frozenset({HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE})


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows from an attempt: `delay_s` until the next one, None where there is none; `error` in words."""

    is_delivered: bool
    delay_s: float | None = None
    error: str | None = None


def judge_answer(answer: Answer, attempt: int, *, now: datetime, chance: float) -> Verdict:
    """Judge the answer to the n-th attempt, counted from 1; `chance` is from 0 to 1.

    Any 2xx is a delivery, a redirect is none. 410 means never again. 429 and 503 may ask for more time with
    `Retry-After`, a day at most.
    """
    status = answer.status
    if status is not None and 200 <= status < 300:
        return Verdict(is_delivered=True)
    error = answer.failure if status is None else f"the receiver answered {status}"
    if status == HTTPStatus.GONE or attempt > len(DELAYS_S):
        return Verdict(is_delivered=False, error=error)
    delay_s = DELAYS_S[attempt - 1] * (1 + JITTER * chance)
    if status in _SLOW_DOWN:
        delay_s = max(delay_s, _retry_after_s(answer.headers.get("Retry-After", ""), now))
    return Verdict(is_delivered=False, delay_s=delay_s, error=error)


def _retry_after_s(text: str, now: datetime) -> float:
    """Return the seconds that a header asks for, in seconds or as a date; 0 for one that cannot be read."""
    if text.isascii() and text.isdigit():
        wanted_s = float(text[:9])
    else:
        try:
            wanted_s = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError):
            return 0.0
    return min(max(wanted_s, 0.0), _MAX_RETRY_AFTER_S)
