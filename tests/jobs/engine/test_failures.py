"""What the exceptions of handlers mean, and how long a store that is away is waited for."""

import pytest

from kaboom.errors import InvalidRequest, NotFound, ProviderError, RateLimited, StoreError
from kaboom.jobs.engine.run.completion import LONGEST_WAIT_S, Verdict, describe, is_bug, is_out_of_memory, judge, wait_s


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (StoreError("away"), Verdict.WAIT),
        (StoreError("damaged", retryable=False), Verdict.FAIL),
        (ProviderError("no answer", retryable=True), Verdict.TRY_AGAIN),
        (RateLimited("status was 429"), Verdict.TRY_AGAIN),
        (ProviderError("status was 404"), Verdict.FAIL),
        (InvalidRequest("no session"), Verdict.FAIL),
        (NotFound("no job"), Verdict.FAIL),
        (OSError("too many open files"), Verdict.TRY_AGAIN),
        (TimeoutError(), Verdict.TRY_AGAIN),
        (ConnectionResetError(), Verdict.TRY_AGAIN),
        (MemoryError(), Verdict.WAIT),
        (ExceptionGroup("two", [MemoryError(), OSError()]), Verdict.TRY_AGAIN),
        (TypeError("no len"), Verdict.FAIL),
        (KeyError("bars"), Verdict.FAIL),
        (AttributeError("no such"), Verdict.FAIL),
        (RecursionError(), Verdict.FAIL),
        (ExceptionGroup("two", [StoreError("away"), OSError()]), Verdict.TRY_AGAIN),
        (ExceptionGroup("two", [StoreError("away"), TypeError()]), Verdict.FAIL),
    ],
    ids=repr,
)
def test_each_exception_has_one_verdict(error: Exception, verdict: Verdict) -> None:
    assert judge(error) is verdict


def test_a_chunk_without_memory_waits_three_times_and_then_counts() -> None:
    verdicts = [judge(MemoryError(), waits=waits) for waits in range(5)]
    assert verdicts == [Verdict.WAIT] * 3 + [Verdict.TRY_AGAIN] * 2
    assert is_out_of_memory(ExceptionGroup("one", [ExceptionGroup("in one", [MemoryError()])]))
    assert not is_out_of_memory(ExceptionGroup("one", [OSError()]))


def test_only_what_was_not_raised_on_purpose_is_a_bug() -> None:
    errors = [TypeError(), StoreError("damaged", retryable=False), OSError()]
    assert [is_bug(error) for error in errors] == [True, False, False]


def test_waits_grow_to_a_limit_and_respect_the_store() -> None:
    away = StoreError("away", retry_after_s=None)
    assert [wait_s(away, waits) for waits in (0, 1, 2, 3, 4, 1000)] == [1, 2, 4, 8, LONGEST_WAIT_S, LONGEST_WAIT_S]
    assert wait_s(StoreError("paused", retry_after_s=60.0), 0) == 60


def test_a_message_is_fit_for_both_stores() -> None:
    assert describe(ValueError("a\0b\ud800c")) == "ValueError: a\N{REPLACEMENT CHARACTER}b?c"
    assert len(describe(ValueError("x" * 10_000))) == 2000
