"""The line before a gate: few ask, the others stand behind in their order, and nobody is forgotten."""

import asyncio

import pytest

from batch.errors import RateLimited
from batch.providers.limiter.gate import LimitedGate
from batch.providers.limiter.port import Reason, Turn, Verdict, Wait

pytestmark = pytest.mark.anyio


class OnePlace:
    """A limiter of one place that counts questions; who is told to wait would ask again in an hour."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_held = False
        self.pause: Wait | None = None

    async def ask(self) -> Turn | Wait:
        self.asked += 1
        if self.pause:
            return self.pause
        if self.is_held:
            return Wait(Reason.BUSY, 3600.0)
        self.is_held = True
        return Turn("0:1")

    async def keep(self, turn: Turn) -> None:
        """Do nothing."""

    async def settle(self, turn: Turn, verdict: Verdict, *, pause_s: float | None = None, message: str = "") -> float:
        self.is_held = False
        return 0.0

    async def close(self) -> None:
        """Do nothing."""


class Crowd:
    """Requests at one gate, each of which holds its turn until it is let go."""

    def __init__(self) -> None:
        self.limiter = OnePlace()
        self.gate = LimitedGate("fake", self.limiter)
        self.order: list[int] = []
        self._end = asyncio.Semaphore(0)

    def come(self, *numbers: int) -> list["asyncio.Task[None]"]:
        return [asyncio.create_task(self._request(number)) for number in numbers]

    async def let_go(self, count: int = 1) -> None:
        for _ in range(count):
            self._end.release()
            await self.settle_down()

    @staticmethod
    async def settle_down() -> None:
        for _ in range(50):
            await asyncio.sleep(0)

    async def _request(self, number: int) -> None:
        async with self.gate.request():
            self.order.append(number)
            await self._end.acquire()


async def test_a_few_ask_and_a_place_that_is_freed_here_is_taken_at_once_in_order() -> None:
    crowd = Crowd()
    everybody = crowd.come(*range(12))
    await crowd.settle_down()
    assert crowd.limiter.asked == 6, (
        "one has the turn, four are to ask again, the sixth was told so and the rest saw it"
    )
    for begun in range(2, 13):
        asked = crowd.limiter.asked
        await crowd.let_go()
        await crowd.settle_down()
        assert len(crowd.order) == begun
        assert crowd.limiter.asked - asked <= 2, "the first of the line, and who came forward for it"
    crowd._end.release()
    await asyncio.gather(*everybody)
    assert crowd.order == list(range(12))


@pytest.mark.parametrize("number", [0, 1, 4, 5, 11])
async def test_whoever_is_cut_off_holds_up_nobody(number: int) -> None:
    crowd = Crowd()
    everybody = crowd.come(*range(12))
    await crowd.settle_down()
    everybody[number].cancel()
    await crowd.settle_down()
    await crowd.let_go(10)
    crowd._end.release()
    ended = await asyncio.gather(*everybody, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ended] == [n == number for n in range(12)]
    assert sorted(crowd.order) == [n for n in range(12) if n != number or n == 0]


async def test_a_pause_is_told_to_the_whole_line() -> None:
    crowd = Crowd()
    everybody = crowd.come(*range(12))
    await crowd.settle_down()
    crowd.limiter.pause = Wait(Reason.PAUSE, 300.0, "blocked")
    crowd._end.release()
    # The three others who ask have been told to do so in an hour.
    told = [task for number, task in enumerate(everybody) if number not in {0, 2, 3, 4}]
    async with asyncio.timeout(10):
        ended = await asyncio.gather(*told, return_exceptions=True)
    assert all(isinstance(end, RateLimited) for end in ended)
    for task in everybody[2:5]:
        task.cancel()
    await asyncio.gather(*everybody, return_exceptions=True)
