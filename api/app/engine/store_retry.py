"""Waiting for a store that is away."""

from collections.abc import Awaitable, Callable

import stamina

from batch.errors import StoreError


async def insist[T](call: Callable[[], Awaitable[T]], *, for_s: float) -> T:
    """Return what a call returns, made again for so many seconds while the store does not answer.

    The call must be one that may happen twice.

    Raises:
        StoreError: it did not answer in that time, or another try would not help.

    """
    # The usual case; stamina's contexts would take 4 % of the CPU of a chunk that does nothing.
    try:
        return await call()
    except StoreError as e:
        if not e.retryable:
            raise
    async for attempt in stamina.retry_context(on=_is_away, attempts=None, timeout=for_s):
        with attempt:
            return await call()
    raise AssertionError  # the context returns or raises


def _is_away(error: Exception) -> bool:
    return isinstance(error, StoreError) and error.retryable
