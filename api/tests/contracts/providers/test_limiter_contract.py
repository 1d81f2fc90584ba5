"""The promises of the limiter, kept by both of its implementations."""

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from batch.providers.limiter.port import Limits, Reason, Turn, Verdict
from tests.fixtures.providers.limiters import LimiterBench, memory_limiter, redis_limiter

pytestmark = pytest.mark.anyio

type Open = Callable[[Limits], AbstractAsyncContextManager[LimiterBench]]

MINUTE = Limits(requests=6, window_s=60.0)


@pytest.fixture(params=["memory", "redis"])
def opened(request: pytest.FixtureRequest) -> Open:
    if request.param == "memory":
        return memory_limiter
    url = request.getfixturevalue("redis_url")
    return lambda limits: redis_limiter(url, limits)


async def spend(bench: LimiterBench, count: int, *, every_s: float) -> None:
    """Make requests, one after the other, that are answered at once."""
    for _ in range(count):
        await bench.limiter.settle(await bench.turn(), Verdict.ANSWERED)
        await bench.advance(every_s)


class TestPace:
    async def test_turns_come_evenly_and_the_wait_is_told(self, opened: Open) -> None:
        async with opened(MINUTE) as bench:
            await bench.turn()
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 10.0)
            await bench.advance(wait.seconds)
            await bench.turn()

    async def test_a_turn_counts_until_a_window_after_it_is_over(self, opened: Open) -> None:
        # Six slow requests under way for a minute and more: had each counted from its beginning, a seventh would go.
        async with opened(Limits(requests=6, window_s=60.0, lease_s=1000.0)) as bench:
            turns = []
            for _ in range(6):
                turns.append(await bench.turn())
                await bench.advance(12.0)
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.limiter.settle(turns[0], Verdict.ANSWERED)
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 60.0)
            await bench.advance(59.0)
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(1.5)
            await bench.turn()

    async def test_a_rate_is_held_for_long(self, opened: Open) -> None:
        async with opened(MINUTE) as bench:
            await spend(bench, 20, every_s=10.5)
            await bench.turn()

    async def test_a_late_word_of_a_turn_that_is_over_does_not_count_it_twice(self, opened: Open) -> None:
        async with opened(Limits(requests=2, window_s=60.0, lease_s=1000.0)) as bench:
            over = await bench.turn()
            await bench.limiter.settle(over, Verdict.ANSWERED)
            await bench.limiter.keep(over)
            await bench.advance(30.5)
            await bench.turn()
            # Both count still. Half a minute later the first has left the window, late word or not.
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(30.5)
            await bench.turn()

    async def test_a_late_word_of_a_turn_that_lapsed_does_not_count_it_twice(self, opened: Open) -> None:
        async with opened(Limits(requests=2, window_s=60.0, lease_s=20.0)) as bench:
            lapsed = await bench.turn()
            await bench.advance(30.5)
            last = await bench.turn()
            await bench.limiter.keep(lapsed)
            await bench.limiter.settle(last, Verdict.ANSWERED)
            # The lapsed one counts until a window after its lease ended, 80 s after it began.
            await bench.advance(45.0)
            assert (await bench.wait()).reason is Reason.PACE
            await bench.advance(6.0)
            await bench.turn()

    async def test_without_limits_nobody_waits(self, opened: Open) -> None:
        async with opened(Limits()) as bench:
            for _ in range(50):
                await bench.turn()


class TestConcurrency:
    async def test_no_more_than_the_cap_are_under_way(self, opened: Open) -> None:
        async with opened(Limits(concurrency=2)) as bench:
            first, _ = await bench.turn(), await bench.turn()
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.limiter.settle(first, Verdict.LEFT)
            await bench.turn()

    async def test_of_many_that_ask_at_once_as_many_go_as_may(self, opened: Open) -> None:
        async with opened(Limits(concurrency=8)) as bench:
            answers = await asyncio.gather(*(bench.limiter.ask() for _ in range(100)))
            turns = [answer for answer in answers if isinstance(answer, Turn)]
            assert len({turn.turn_id for turn in turns}) == 8
            await asyncio.gather(*(bench.limiter.settle(turn, Verdict.ANSWERED) for turn in turns))
            again = await asyncio.gather(*(bench.limiter.ask() for _ in range(100)))
            assert sum(isinstance(answer, Turn) for answer in again) == 8

    async def test_the_slot_of_the_dead_comes_back_when_its_lease_is_over(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            await bench.turn()
            await bench.advance(29.0)
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.advance(1.5)
            await bench.turn()

    async def test_a_turn_that_is_kept_stays_however_long(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            turn = await bench.turn()
            for _ in range(4):
                await bench.advance(20.0)
                await bench.limiter.keep(turn)
            assert (await bench.wait()).reason is Reason.BUSY

    async def test_the_request_of_the_dead_counts_in_the_window_all_the_same(self, opened: Open) -> None:
        async with opened(Limits(requests=1, window_s=60.0, lease_s=30.0)) as bench:
            await bench.turn()
            await bench.advance(80.0)
            wait = await bench.wait()
            assert wait.reason is Reason.PACE
            bench.expect(wait, 10.0)
            await bench.advance(10.5)
            await bench.turn()

    @pytest.mark.parametrize("verdict", Verdict)
    async def test_a_late_word_of_a_turn_that_is_over_takes_no_place(self, opened: Open, verdict: Verdict) -> None:
        async with opened(Limits(concurrency=1, first_pause_s=1.0)) as bench:
            over = await bench.turn()
            await bench.limiter.settle(over, verdict)
            await bench.limiter.keep(over)
            await bench.advance(1.5)
            await bench.turn()

    async def test_a_late_word_of_a_turn_whose_place_was_taken_takes_no_place(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1, lease_s=30.0)) as bench:
            lapsed = await bench.turn()
            await bench.advance(30.5)
            now = await bench.turn()
            await bench.limiter.keep(lapsed)
            await bench.limiter.settle(now, Verdict.ANSWERED)
            await bench.turn()


class TestPause:
    async def test_what_the_provider_named_is_kept_by_everyone_and_told(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            other = await bench.turn()
            assert await bench.limiter.settle(
                await bench.turn(), Verdict.LIMITED, pause_s=40.0, message="status was 429"
            ) == pytest.approx(40.0)
            wait = await bench.wait()
            assert (wait.reason, wait.message) == (Reason.PAUSE, "status was 429")
            bench.expect(wait, 40.0)
            # An answer to an earlier question is no sign that it is over.
            await bench.limiter.settle(other, Verdict.ANSWERED)
            assert (await bench.wait()).reason is Reason.PAUSE

    async def test_after_it_one_goes_alone_and_its_answer_lets_the_others_go(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            await bench.limiter.settle(await bench.turn(), Verdict.LIMITED, pause_s=40.0)
            await bench.advance(41.0)
            trial = await bench.turn()
            assert (await bench.wait()).reason is Reason.BUSY
            await bench.limiter.settle(trial, Verdict.ANSWERED)
            for _ in range(4):
                await bench.turn()

    @pytest.mark.parametrize("verdict", [Verdict.LIMITED, Verdict.FAILED])
    async def test_one_that_fails_alone_begins_a_longer_pause(self, opened: Open, verdict: Verdict) -> None:
        async with opened(Limits(concurrency=4, first_pause_s=10.0, longest_pause_s=35.0)) as bench:
            pauses = [await bench.limiter.settle(await bench.turn(), Verdict.LIMITED)]
            for _ in range(3):
                await bench.advance(pauses[-1] + 0.5)
                pauses.append(await bench.limiter.settle(await bench.turn(), verdict))
            assert pauses == [10.0, 20.0, 35.0, 35.0]
            await bench.advance(36.0)
            await bench.limiter.settle(await bench.turn(), Verdict.ANSWERED)
            assert await bench.limiter.settle(await bench.turn(), Verdict.LIMITED) == 10.0

    async def test_a_late_word_of_a_trial_that_is_over_holds_nobody_up(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            await bench.limiter.settle(await bench.turn(), Verdict.LIMITED, pause_s=1.0)
            await bench.advance(1.5)
            trial = await bench.turn()
            await bench.limiter.settle(trial, Verdict.LEFT)
            await bench.limiter.keep(trial)
            await bench.turn()

    async def test_who_goes_alone_and_dies_or_is_cut_off_lets_another_try(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4, lease_s=30.0)) as bench:
            await bench.limiter.settle(await bench.turn(), Verdict.LIMITED, pause_s=1.0)
            await bench.advance(1.5)
            await bench.limiter.settle(await bench.turn(), Verdict.LEFT)
            await bench.turn()
            await bench.advance(30.5)
            await bench.turn()
            assert (await bench.wait()).reason is Reason.BUSY

    async def test_many_that_were_under_way_begin_one_pause_the_longest_named(self, opened: Open) -> None:
        async with opened(Limits(concurrency=4)) as bench:
            turns = [await bench.turn() for _ in range(4)]
            began = [
                await bench.limiter.settle(turn, Verdict.LIMITED, pause_s=pause_s)
                for turn, pause_s in zip(turns, (20.0, 50.0, 30.0, None), strict=True)
            ]
            assert began == [20.0, 0.0, 0.0, 0.0]
            bench.expect(await bench.wait(), 50.0)

    async def test_a_few_failures_in_a_row_open_the_circuit(self, opened: Open) -> None:
        async with opened(Limits(failures=3, first_pause_s=10.0)) as bench:

            async def end(verdict: Verdict) -> float:
                return await bench.limiter.settle(await bench.turn(), verdict, message="no answer in time")

            verdicts = [Verdict.FAILED, Verdict.FAILED, Verdict.ANSWERED, Verdict.FAILED, Verdict.FAILED]
            assert [await end(verdict) for verdict in verdicts] == [0.0] * 5
            assert await end(Verdict.FAILED) == 10.0
            wait = await bench.wait()
            assert (wait.reason, wait.message) == (Reason.PAUSE, "no answer in time")

    async def test_a_pause_of_a_year_is_not_believed(self, opened: Open) -> None:
        async with opened(Limits(concurrency=1)) as bench:
            assert await bench.limiter.settle(await bench.turn(), Verdict.LIMITED, pause_s=3e7) == 86400.0
