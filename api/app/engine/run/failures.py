"""What an exception of a handler means for its step: wait for a store, try again, or fail at once.

| exception | verdict |
|---|---|
| `StoreError` that is retryable: the ledger, Redis or the bar store is away, or its disk is full | wait; never a try |
| any other retryable `KaboomError`, such as a provider that failed | try again, three times in all |
| `OSError` with `TimeoutError` and `ConnectionError`, `MemoryError`: this machine | try again, three times in all |
| a `KaboomError` that is not retryable: the request, a token, a damaged page | fail at once |
| everything else: `TypeError`, `KeyError` and their like are bugs | fail at once |

A driver's own exceptions are translated in the driver's home, so none of them counts as a bug.
"""

from enum import StrEnum

from batch.errors import KaboomError, StoreError

#: The first wait for a store that is away, and the longest: so soon a step goes on when the store is back.
_FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 15.0
#: A message is kept in a job's record and in each symbol's outcome.
_LONGEST_MESSAGE = 2000


class Verdict(StrEnum):
    """What becomes of a step whose handler raised."""

    WAIT = "wait"
    TRY_AGAIN = "try_again"
    FAIL = "fail"


def judge(error: BaseException) -> Verdict:
    """Return what an exception means; a group of several means the worst of them."""
    if isinstance(error, BaseExceptionGroup):
        return max((judge(each) for each in error.exceptions), key=list(Verdict).index)
    if isinstance(error, KaboomError) and not error.retryable:
        return Verdict.FAIL
    if isinstance(error, StoreError):
        return Verdict.WAIT
    return Verdict.TRY_AGAIN if isinstance(error, KaboomError | OSError | MemoryError) else Verdict.FAIL


def is_bug(error: BaseException) -> bool:
    """Return whether an exception is a mistake in the code, which its traceback helps to find."""
    return judge(error) is Verdict.FAIL and not isinstance(error, KaboomError)


def wait_s(error: BaseException, waits: int) -> float:
    """Return how long to wait for a store after so many waits: twice as long each time, and as long as it asks for."""
    grown_s = _FIRST_WAIT_S * 2.0 ** min(waits, 10)
    asked_s = error.retry_after_s if isinstance(error, KaboomError) else None
    return max(min(grown_s, LONGEST_WAIT_S), asked_s or 0.0)


def describe(error: BaseException) -> str:
    """Return the type and message of an exception, fit for both stores: PostgreSQL takes no NUL in a text."""
    text = f"{type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    return text.encode("utf-8", "replace").decode().replace("\0", "\N{REPLACEMENT CHARACTER}")
