"""Decide what an exception of a handler means for its step: wait for a store, try again, or fail at once.

| exception | verdict |
|---|---|
| retryable `StoreError`: ledger, Redis or bar store unavailable, or its disk full | wait; counts as no attempt |
| `MemoryError`: this process is full | wait, three times; then try again, three attempts in all |
| any other retryable `KaboomError`, such as a failed provider | try again, three attempts in all |
| `OSError` (also `TimeoutError`, `ConnectionError`): this machine | try again, three attempts in all |
| `KaboomError` that is not retryable: an invalid request, an invalid token, a damaged page | fail at once |
| any other, such as `TypeError` or `KeyError`: a bug | fail at once |

Drivers' exceptions are translated where the driver is imported, so they never count as bugs.
"""

from enum import StrEnum

from kaboom.drivers.retry import backoff_s
from kaboom.errors import KaboomError, StoreError

#: The first wait for an unavailable store, and the longest: a step continues that soon after the store is back.
_FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 15.0
#: How often a chunk without memory runs in another process before it counts: earlier chunks may have filled this one.
MOST_MEMORY_WAITS = 3
#: A message is stored in the job's record and with each failed item.
_LONGEST_MESSAGE = 2000


class Verdict(StrEnum):
    """What happens to a step whose handler raised."""

    WAIT = "wait"
    TRY_AGAIN = "try_again"
    FAIL = "fail"


def judge(error: BaseException, *, waits: int = 0) -> Verdict:
    """Return the verdict on an exception of a step that has waited so often; the worst one of a group."""
    if isinstance(error, BaseExceptionGroup):
        return max((judge(each, waits=waits) for each in error.exceptions), key=list(Verdict).index)
    if isinstance(error, KaboomError) and not error.retryable:
        return Verdict.FAIL
    if isinstance(error, StoreError):
        return Verdict.WAIT
    if isinstance(error, MemoryError):
        return Verdict.WAIT if waits < MOST_MEMORY_WAITS else Verdict.TRY_AGAIN
    return Verdict.TRY_AGAIN if isinstance(error, KaboomError | OSError) else Verdict.FAIL


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether an exception, or one of a group, says that the process has no memory left."""
    if isinstance(error, BaseExceptionGroup):
        return any(is_out_of_memory(each) for each in error.exceptions)
    return isinstance(error, MemoryError)


def is_bug(error: BaseException) -> bool:
    """Return whether an exception is a bug, so that its traceback is worth logging."""
    return judge(error) is Verdict.FAIL and not isinstance(error, KaboomError)


def wait_s(error: BaseException, waits: int) -> float:
    """Return how long to wait for a store: twice as long each time, and at least as long as the store asks for."""
    grown_s = backoff_s(waits, first_s=_FIRST_WAIT_S, longest_s=LONGEST_WAIT_S, jitter=0.0)
    asked_s = error.retry_after_s if isinstance(error, KaboomError) else None
    return max(grown_s, asked_s or 0.0)


def describe(error: BaseException) -> str:
    """Return the type and message of an exception, without NUL, which PostgreSQL rejects in text."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
