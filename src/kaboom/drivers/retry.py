"""Retries: how long to pause, the pause in `Retry-After`, and calls repeated while a store is unavailable."""

import asyncio
import itertools
import random
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from kaboom.errors import StoreError

#: The first and the longest pause between calls of a store that is unavailable.
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.1, 5.0
#: 30 years in seconds, which can still be added to a date.
_MOST_SECONDS = 1e9


def backoff_s(retries: int, *, first_s: float, longest_s: float, jitter: float = 0.5) -> float:
    """Return the pause before the n-th retry, counted from 0: `first_s` doubled each time, up to `longest_s`.

    A random share of it, up to `jitter` (0 to 1), is left off, so that callers that failed together do not retry
    together.
    """
    full_s = min(first_s * 2.0 ** min(retries, 60), longest_s)
    return full_s * (1 - jitter * random.random())  # noqa: S311  not a secret


def parse_retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """Return the seconds that a `Retry-After` header asks for, as a number or as a date (RFC 9110, 10.2.3).

    None if the header is missing or cannot be read. A date in the past gives 0. The caller limits the result.
    """
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), _MOST_SECONDS)
    try:
        at = parsedate_to_datetime(text)
        # An HTTP date is in GMT; `-0000` or no zone gives one without a zone.
        return max(0.0, (at.replace(tzinfo=at.tzinfo or UTC) - now).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None


async def retry_while_unavailable[T](call: Callable[[], Awaitable[T]], *, for_s: float) -> T:
    """Return a call's result; repeat the call for up to `for_s` seconds while the store is unavailable.

    The call must be safe to repeat.

    Raises:
        StoreError: the store was unavailable all the time, or the error is not retryable.

    """
    give_up_at = asyncio.get_running_loop().time() + for_s
    for retries in itertools.count():
        try:
            return await call()
        except StoreError as e:
            left_s = give_up_at - asyncio.get_running_loop().time()
            if not e.retryable or left_s <= 0:
                raise
        await asyncio.sleep(min(backoff_s(retries, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S), left_s))
    raise AssertionError  # the loop has no end
