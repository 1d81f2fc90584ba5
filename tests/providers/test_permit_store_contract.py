"""The contract of permit stores, for both implementations."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from kaboom.providers.limiter.port import Limits, Permit, Reason, Result
from tests.fixtures.providers.permit_stores import PermitBench, memory_permits, redis_permits

pytestmark = pytest.mark.anyio

type Open = Callable[[Limits], AbstractAsyncContextManager[PermitBench]]

MINUTE = Limits(requests=6, window_s=60.0)


@pytest.fixture(params=["memory", "redis"])
def opened(request: pytest.FixtureRequest) -> Open:
    if request.param == "memory":
        return memory_permits
    url = request.getfixturevalue("redis_url")
    return lambda limits: redis_permits(url, limits)


async def spend(bench: PermitBench, count: int, *, every_s: float) -> None:
    """Make requests, one after the other, that are answered at once."""
    for _ in range(count):
        await bench.store.release(await bench.permit(), Result.ANSWERED)
        await bench.advance(every_s)


class TestPace:
    async def test_permits_come_evenly_with_the_wait(self, opened: Open) -> None:
        async with opened(MINUTE) as bench:
            await bench.permit()
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 10.0)
            await bench.advance(wait.seconds)
            await bench.permit()

    async def test_a_permit_counts_until_a_window_after_its_release(self, opened: Open) -> None:
        # Six slow requests under way for a minute and more: had each counted from its beginning, a seventh would go.
        async with opened(Limits(requests=6, window_s=60.0, lease_s=1000.0)) as bench:
            permits = []
            for _ in range(6):
                permits.append(await bench.permit())
                await bench.advance(12.0)
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.store.release(permits[0], Result.ANSWERED)
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 60.0)
            await bench.advance(59.0)
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(1.5)
            await bench.permit()

    async def test_a_rate_holds_over_many_windows(self, opened: Open) -> None:
        async with opened(MINUTE) as bench:
            for _ in range(20):
                await spend(bench, 1, every_s=9.0)
                # Not sooner than each ten seconds, in whatever window.
                assert (await bench.wait()).reason is Reason.PACE
                await bench.advance(1.5)
            await bench.permit()

    async def test_renewing_a_released_permit_does_not_count_it_twice(self, opened: Open) -> None:
        async with opened(Limits(requests=2, window_s=60.0, lease_s=1000.0)) as bench:
            over = await bench.permit()
            await bench.store.release(over, Result.ANSWERED)
            await bench.store.renew(over)
            await bench.advance(30.5)
            await bench.permit()
            # Both count still. Half a minute later the first has left the window, late word or not.
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(30.5)
            await bench.permit()

    async def test_renewing_an_expired_permit_does_not_count_it_twice(self, opened: Open) -> None:
        async with opened(Limits(requests=2, window_s=60.0, lease_s=20.0)) as bench:
            lapsed = await bench.permit()
            await bench.advance(30.5)
            last = await bench.permit()
            await bench.store.renew(lapsed)
            await bench.store.release(last, Result.ANSWERED)
            # The lapsed one counts until a window after its lease ended, 80 s after it began.
            await bench.advance(45.0)
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(6.0)
            await bench.permit()

    async def test_without_limits_there_is_no_wait(self, opened: Open) -> None:
        async with opened(Limits()) as bench:
            permits = [await bench.permit() for _ in range(50)]
            assert len({permit.permit_id for permit in permits}) == 50


class TestConcurrency:
    async def test_concurrency_is_capped(self, opened: Open) -> None:
        async with opened(Limits(concurrency=2)) as bench:
            first, _ = await bench.permit(), await bench.permit()
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.store.release(first, Result.UNKNOWN)
            await bench.permit()

    async def test_concurrent_calls_get_only_the_free_slots(self, opened: Open) -> None:
        async with opened(Limits(concurrency=8)) as bench:
            answers = await asyncio.gather(*(bench.store.acquire() for _ in range(100)))
            permits = [answer for answer in answers if isinstance(answer, Permit)]
            assert len({permit.permit_id for permit in permits}) == 8
            await asyncio.gather(*(bench.store.release(permit, Result.ANSWERED) for permit in permits))
            again = await asyncio.gather(*(bench.store.acquire() for _ in range(100)))
            assert sum(isinstance(answer, Permit) for answer in again) == 8

    async def test_an_expired_lease_frees_its_slot(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            await bench.permit()
            await bench.advance(29.0)
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.advance(1.5)
            await bench.permit()

    async def test_a_renewed_permit_stays_valid(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            permit = await bench.permit()
            for _ in range(4):
                await bench.advance(20.0)
                await bench.store.renew(permit)
            assert (await bench.wait()).reason is Reason.BUSY

    async def test_an_expired_permit_still_counts_in_the_window(self, opened: Open) -> None:
        async with opened(Limits(requests=1, window_s=60.0, lease_s=30.0)) as bench:
            await bench.permit()
            await bench.advance(80.0)
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 10.0)
            await bench.advance(10.5)
            await bench.permit()

    @pytest.mark.parametrize("result", Result)
    async def test_renewing_a_released_permit_takes_no_slot(self, opened: Open, result: Result) -> None:
        async with opened(Limits(concurrency=1, first_pause_s=1.0)) as bench:
            over = await bench.permit()
            await bench.store.release(over, result)
            await bench.store.renew(over)
            await bench.advance(1.5)
            await bench.permit()

    async def test_renewing_a_replaced_permit_takes_no_slot(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            lapsed = await bench.permit()
            await bench.advance(30.5)
            now = await bench.permit()
            await bench.store.renew(lapsed)
            await bench.store.release(now, Result.ANSWERED)
            await bench.permit()


class TestPause:
    async def test_a_named_pause_holds_for_all_with_its_message(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            other = await bench.permit()
            assert await bench.store.release(
                await bench.permit(), Result.LIMITED, pause_s=40.0, message="status was 429"
            ) == pytest.approx(40.0)
            wait = await bench.wait()
            assert (wait.reason, wait.message) == (Reason.PAUSE, "status was 429")
            bench.expect(wait, 40.0)
            # An answer to an earlier question is no sign that it is over.
            await bench.store.release(other, Result.ANSWERED)
            assert (await bench.wait()).reason is Reason.PAUSE

    async def test_one_trial_request_ends_a_pause_for_all(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            await bench.store.release(await bench.permit(), Result.LIMITED, pause_s=40.0)
            await bench.advance(41.0)
            trial = await bench.permit()
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.store.release(trial, Result.ANSWERED)
            for _ in range(4):
                await bench.permit()

    @pytest.mark.parametrize("result", [Result.LIMITED, Result.FAILED])
    async def test_a_failed_trial_begins_a_longer_pause(self, opened: Open, result: Result) -> None:
        async with opened(Limits(concurrency=4, first_pause_s=10.0, longest_pause_s=35.0)) as bench:
            pauses = [await bench.store.release(await bench.permit(), Result.LIMITED)]
            for _ in range(3):
                await bench.advance(pauses[-1] + 0.5)
                pauses.append(await bench.store.release(await bench.permit(), result))
            assert pauses == [10.0, 20.0, 35.0, 35.0]
            await bench.advance(36.0)
            await bench.store.release(await bench.permit(), Result.ANSWERED)
            assert await bench.store.release(await bench.permit(), Result.LIMITED) == 10.0

    async def test_renewing_a_released_trial_blocks_no_other(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            await bench.store.release(await bench.permit(), Result.LIMITED, pause_s=1.0)
            await bench.advance(1.5)
            trial = await bench.permit()
            await bench.store.release(trial, Result.UNKNOWN)
            await bench.store.renew(trial)
            await bench.permit()

    async def test_a_cancelled_or_dead_trial_is_replaced(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4, lease_s=30.0)) as bench:
            await bench.store.release(await bench.permit(), Result.LIMITED, pause_s=1.0)
            await bench.advance(1.5)
            await bench.store.release(await bench.permit(), Result.UNKNOWN)
            await bench.permit()
            await bench.advance(30.5)
            await bench.permit()
            assert (await bench.wait()).reason is Reason.BUSY

    async def test_concurrent_refusals_begin_one_pause(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            permits = [await bench.permit() for _ in range(4)]
            began = [
                await bench.store.release(permit, Result.LIMITED, pause_s=pause_s)
                for permit, pause_s in zip(permits, (20.0, 50.0, 30.0, None), strict=True)
            ]
            assert began == [20.0, 0.0, 0.0, 0.0]
            bench.expect(await bench.wait(), 50.0)

    async def test_failures_in_a_row_begin_a_pause(self, opened: Open) -> None:
        async with opened(Limits(failures=3, first_pause_s=10.0)) as bench:

            async def end(result: Result) -> float:
                return await bench.store.release(await bench.permit(), result, message="no answer in time")

            results = [Result.FAILED, Result.FAILED, Result.ANSWERED, Result.FAILED, Result.FAILED]
            assert [await end(result) for result in results] == [0.0] * 5
            assert await end(Result.FAILED) == 10.0
            wait = await bench.wait()
            assert (wait.reason, wait.message) == (Reason.PAUSE, "no answer in time")

    async def test_a_named_pause_is_cut_to_a_day(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1)) as bench:
            assert await bench.store.release(await bench.permit(), Result.LIMITED, pause_s=3e7) == 86400.0
