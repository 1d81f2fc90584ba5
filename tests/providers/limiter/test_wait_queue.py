"""The wait queue: a few ask, the others wait in order, and none is forgotten."""

import asyncio

import pytest

from kaboom.errors import RateLimited
from kaboom.providers.limiter.port import Permit, Reason, Result, Wait
from kaboom.providers.limiter.rate_limiter import SharedRateLimiter

pytestmark = pytest.mark.anyio


class OneSlot:
    """A store with one slot that counts calls; a waiting request would ask again in an hour."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_held = False
        self.pause: Wait | None = None

    async def acquire(self) -> Permit | Wait:
        self.asked += 1
        if self.pause:
            return self.pause
        if self.is_held:
            return Wait(Reason.BUSY, 3600.0)
        self.is_held = True
        return Permit("0:1")

    async def renew(self, permit: Permit) -> None:
        """Do nothing."""

    async def release(
        self, permit: Permit, result: Result, *, pause_s: float | None = None, message: str = ""
    ) -> float:
        self.is_held = False
        return 0.0

    async def close(self) -> None:
        """Do nothing."""


class Requests:
    """Requests at one rate limiter, each of which holds its permit until it is released."""

    def __init__(self) -> None:
        self.limiter = OneSlot()
        self.rate_limiter = SharedRateLimiter("fake", self.limiter)
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
        async with self.rate_limiter.permit():
            self.order.append(number)
            await self._end.acquire()


async def test_a_freed_slot_is_taken_at_once_in_order() -> None:
    requests = Requests()
    everybody = requests.come(*range(12))
    await requests.settle_down()
    assert requests.limiter.asked == 6, (
        "one has the permit, four are to ask again, the sixth was told so and the rest saw it"
    )
    for begun in range(2, 13):
        asked = requests.limiter.asked
        await requests.let_go()
        await requests.settle_down()
        assert len(requests.order) == begun
        assert requests.limiter.asked - asked <= 2, "the first of the line, and who came forward for it"
    requests._end.release()
    await asyncio.gather(*everybody)
    assert requests.order == list(range(12))


@pytest.mark.parametrize("number", [0, 1, 4, 5, 11])
async def test_a_cancelled_request_blocks_no_other(number: int) -> None:
    requests = Requests()
    everybody = requests.come(*range(12))
    await requests.settle_down()
    everybody[number].cancel()
    await requests.settle_down()
    await requests.let_go(10)
    requests._end.release()
    ended = await asyncio.gather(*everybody, return_exceptions=True)
    assert [isinstance(end, asyncio.CancelledError) for end in ended] == [n == number for n in range(12)]
    assert sorted(requests.order) == [n for n in range(12) if n != number or n == 0]


async def test_a_pause_ends_the_wait_of_all() -> None:
    requests = Requests()
    everybody = requests.come(*range(12))
    await requests.settle_down()
    requests.limiter.pause = Wait(Reason.PAUSE, 300.0, "blocked")
    requests._end.release()
    # The three others who ask have been told to do so in an hour.
    told = [task for number, task in enumerate(everybody) if number not in {0, 2, 3, 4}]
    async with asyncio.timeout(10):
        ended = await asyncio.gather(*told, return_exceptions=True)
    assert all(isinstance(end, RateLimited) for end in ended)
    for task in everybody[2:5]:
        task.cancel()
    await asyncio.gather(*everybody, return_exceptions=True)
