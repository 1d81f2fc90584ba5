"""The rate limiter waits out short pauses, raises long ones, and reports how each request ended."""

import asyncio
from contextlib import AsyncExitStack

import pytest

from kaboom.errors import ProviderError, RateLimited, StoreError
from kaboom.market.interval import Interval
from kaboom.providers.base import BarRequest
from kaboom.providers.limiter.memory import MemoryPermitStore
from kaboom.providers.limiter.port import Limits, Permit, Reason, Result, Wait
from kaboom.providers.limiter.rate_limiter import NoRateLimit, RateLimitedProvider, SharedRateLimiter
from kaboom.providers.watch import LimiterEvent, listen_to_waits, while_alive
from tests.fixtures.bars.raw_bars import SESSIONS
from tests.fixtures.providers.fake_providers import FakeProvider, fail_with

pytestmark = pytest.mark.anyio


class ScriptedStore:
    """A store that gives scripted answers, then permits, and records the results."""

    def __init__(self, *answers: Wait | StoreError, pause_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.results: list[tuple[Result, float | None]] = []
        self._pause_s = pause_s

    async def acquire(self) -> Permit | Wait:
        answer = self.answers.pop(0) if self.answers else Permit("0:1")
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def renew(self, permit: Permit) -> None:
        """Do nothing."""

    async def release(
        self, permit: Permit, result: Result, *, pause_s: float | None = None, message: str = ""
    ) -> float:
        self.results.append((result, pause_s))
        return self._pause_s

    async def close(self) -> None:
        """Do nothing."""


async def ask(limiter: ScriptedStore, error: BaseException | None = None, *, longest_wait_s: float = 30.0) -> None:
    """Make one request that ends as told."""
    async with SharedRateLimiter("fake", limiter, longest_wait_s=longest_wait_s).permit():
        if error:
            raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RateLimited("status was 429", retry_after_s=7.0), (Result.LIMITED, 7.0)),
        (RateLimited("status was 429"), (Result.LIMITED, None)),
        (ProviderError("no answer in time", retryable=True), (Result.FAILED, None)),
        (ProviderError("status was 403, expected 200"), (Result.ANSWERED, None)),
        (KeyError("data"), (Result.UNKNOWN, None)),
        (asyncio.CancelledError(), (Result.UNKNOWN, None)),
    ],
)
async def test_the_result_is_reported_and_the_error_raised(
    error: BaseException, told: tuple[Result, float | None]
) -> None:
    limiter = ScriptedStore()
    with pytest.raises(type(error)) as caught:
        await ask(limiter, error)
    assert caught.value is error
    assert limiter.results == [told]


async def test_an_answer_is_reported() -> None:
    limiter = ScriptedStore()
    await ask(limiter)
    assert limiter.results == [(Result.ANSWERED, None)]


async def test_the_failure_that_begins_a_pause_is_raised_as_one() -> None:
    with pytest.raises(RateLimited, match="fake is paused: no answer in time") as caught:
        await ask(ScriptedStore(pause_s=15.0), ProviderError("no answer in time", retryable=True))
    assert caught.value.retry_after_s == 15.0


async def test_short_waits_are_waited_out_and_reported() -> None:
    signs: list[None] = []
    heard: list[tuple[str, LimiterEvent]] = []
    waits = [Wait(Reason.PACE, 0.01), Wait(Reason.BUSY, 0.01), Wait(Reason.PAUSE, 0.01, "status was 429")]
    listen_to_waits(lambda provider, word, _: heard.append((provider, word)))
    try:
        with while_alive(lambda: signs.append(None)):
            await ask(ScriptedStore(*waits))
    finally:
        listen_to_waits(None)
    assert len(signs) == 4
    assert heard == [("fake", LimiterEvent.WAITED)] * 3


async def test_a_long_pause_is_raised() -> None:
    limiter = ScriptedStore(Wait(Reason.PAUSE, 300.0, "blocked"))
    with pytest.raises(RateLimited, match="fake is paused: blocked") as caught:
        await ask(limiter)
    assert caught.value.retry_after_s == 300.0
    assert limiter.results == []


async def test_a_long_wait_for_the_pace_is_waited_out() -> None:
    limiter = ScriptedStore(Wait(Reason.PACE, 0.02))
    await ask(limiter, longest_wait_s=0.01)
    assert (limiter.answers, limiter.results) == ([], [(Result.ANSWERED, None)])


async def test_a_briefly_unavailable_store_is_waited_for_and_is_no_stall() -> None:
    signs: list[None] = []
    with while_alive(lambda: signs.append(None)):
        await ask(ScriptedStore(StoreError("Redis did not answer"), StoreError("Redis did not answer")))
    assert len(signs) == 3


async def test_without_limits_a_permit_is_immediate() -> None:
    limiter, others = NoRateLimit(), list[str]()
    asyncio.get_running_loop().call_soon(others.append, "had a turn")
    async with AsyncExitStack() as stack:
        for _ in range(100):
            await stack.enter_async_context(limiter.permit())
        assert others == []


async def test_a_limited_provider_needs_a_permit_for_each_call() -> None:
    limiter = MemoryPermitStore(Limits(concurrency=1))
    plain = FakeProvider(fail_with(RateLimited("429", retry_after_s=60.0)))
    provider = RateLimitedProvider(plain, SharedRateLimiter("fake", limiter))
    request = BarRequest(("1301",), Interval.D1, SESSIONS)
    with pytest.raises(RateLimited, match=r"^429$"):
        await provider.fetch_bars(request)
    with pytest.raises(RateLimited, match="fake is paused: 429"):
        await provider.fetch_bars(request)
    assert (provider.name, provider.capabilities.symbols_per_fetch) == ("fake", 2)
