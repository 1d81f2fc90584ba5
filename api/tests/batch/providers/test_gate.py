"""The gate: it waits for short pauses, hands up long ones, and tells the limiter how each request went."""

import asyncio

import pytest

from batch.errors import ProviderError, RateLimited, StoreError
from batch.market.interval import Interval
from batch.providers.base import BarRequest
from batch.providers.limiter.gate import LimitedGate, OpenGate
from batch.providers.limiter.memory import MemoryLimiter
from batch.providers.limiter.polite import PoliteProvider
from batch.providers.limiter.port import Limits, Reason, Turn, Verdict, Wait
from batch.providers.watch import Heard, listen_to_waits, while_alive
from tests.fixtures.bars.raw_bars import SESSIONS
from tests.fixtures.providers.fake_providers import FakeProvider, fail_with

pytestmark = pytest.mark.anyio


class ScriptedLimiter:
    """A limiter that gives the answers of its script, then turns; it remembers what it was told."""

    def __init__(self, *answers: Wait | StoreError, pause_s: float = 0.0) -> None:
        self.answers = list(answers)
        self.verdicts: list[tuple[Verdict, float | None]] = []
        self._pause_s = pause_s

    async def ask(self) -> Turn | Wait:
        answer = self.answers.pop(0) if self.answers else Turn("0:1")
        if isinstance(answer, StoreError):
            raise answer
        return answer

    async def keep(self, turn: Turn) -> None:
        """Do nothing."""

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        self.verdicts.append((verdict, pause_s))
        return self._pause_s

    async def close(self) -> None:
        """Do nothing."""


async def ask(limiter: ScriptedLimiter, error: BaseException | None = None, *, patience_s: float = 30.0) -> None:
    """Make one request that ends as told."""
    async with LimitedGate("fake", limiter, patience_s=patience_s).request():
        if error:
            raise error


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (RateLimited("status was 429", retry_after_s=7.0), (Verdict.LIMITED, 7.0)),
        (RateLimited("status was 429"), (Verdict.LIMITED, None)),
        (ProviderError("no answer in time", retryable=True), (Verdict.FAILED, None)),
        (ProviderError("status was 403, expected 200"), (Verdict.ANSWERED, None)),
        (KeyError("data"), (Verdict.LEFT, None)),
        (asyncio.CancelledError(), (Verdict.LEFT, None)),
    ],
)
async def test_how_a_request_ended_is_told_and_passes(error: BaseException, told: tuple[Verdict, float | None]) -> None:
    limiter = ScriptedLimiter()
    with pytest.raises(type(error)) as caught:
        await ask(limiter, error)
    assert caught.value is error
    assert limiter.verdicts == [told]


async def test_an_answer_is_told() -> None:
    limiter = ScriptedLimiter()
    await ask(limiter)
    assert limiter.verdicts == [(Verdict.ANSWERED, None)]


async def test_the_failure_that_opens_the_circuit_is_a_pause() -> None:
    with pytest.raises(RateLimited, match="fake is left alone: no answer in time") as caught:
        await ask(ScriptedLimiter(pause_s=15.0), ProviderError("no answer in time", retryable=True))
    assert caught.value.retry_after_s == 15.0


async def test_short_waits_are_waited_out_with_signs_of_life_and_told() -> None:
    signs: list[None] = []
    heard: list[tuple[str, Heard]] = []
    waits = [Wait(Reason.PACE, 0.01), Wait(Reason.BUSY, 0.01), Wait(Reason.PAUSE, 0.01, "status was 429")]
    listen_to_waits(lambda provider, word, _: heard.append((provider, word)))
    try:
        with while_alive(lambda: signs.append(None)):
            await ask(ScriptedLimiter(*waits))
    finally:
        listen_to_waits(None)
    assert len(signs) == 4
    assert heard == [("fake", Heard.WAITED)] * 3


async def test_a_long_pause_is_the_callers_to_plan_for() -> None:
    limiter = ScriptedLimiter(Wait(Reason.PAUSE, 300.0, "blocked"))
    with pytest.raises(RateLimited, match="fake is left alone: blocked") as caught:
        await ask(limiter)
    assert caught.value.retry_after_s == 300.0
    assert limiter.verdicts == []


async def test_a_long_wait_for_the_pace_is_no_pause() -> None:
    await ask(ScriptedLimiter(Wait(Reason.PACE, 0.02)), patience_s=0.01)


async def test_a_limiter_that_is_away_for_a_moment_is_waited_for() -> None:
    await ask(ScriptedLimiter(StoreError("Redis did not answer")))


async def test_a_provider_without_limits_passes() -> None:
    async with OpenGate().request():
        pass


async def test_a_polite_provider_asks_in_its_turn() -> None:
    limiter = MemoryLimiter(Limits(concurrency=1))
    plain = FakeProvider(fail_with(RateLimited("429", retry_after_s=60.0)))
    provider = PoliteProvider(plain, LimitedGate("fake", limiter))
    request = BarRequest(("1301",), Interval.D1, SESSIONS)
    with pytest.raises(RateLimited, match=r"^429$"):
        await provider.fetch_bars(request)
    with pytest.raises(RateLimited, match="fake is left alone: 429"):
        await provider.fetch_bars(request)
    assert (provider.name, provider.capabilities.symbols_per_fetch) == ("fake", 2)
